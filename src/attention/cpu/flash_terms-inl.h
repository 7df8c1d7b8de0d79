// What a score may have beside q·k, as passes over a block of scores that lies in L1: each adds its
// term, or changes what is there, and leaves the maxima right. They compose by running one after
// the other; a problem without them runs none. Lanes are queries, so along a vector the distance i
// - j rises by one a lane, and it falls by one a row: tables by distance are read by unaligned
// loads. A Highway "-inl" header, as flash_tiles-inl.h.

#if defined(WDE_ATTENTION_CPU_FLASH_TERMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_ATTENTION_CPU_FLASH_TERMS_INL_H_
#undef WDE_ATTENTION_CPU_FLASH_TERMS_INL_H_
#else
#define WDE_ATTENTION_CPU_FLASH_TERMS_INL_H_
#endif

#include <cstdint>

#include "attention/cpu/flash_tiles-inl.h"
#include "hwy/highway.h"
#include "ops/cpu/vector_math-inl.h"

// As WDE_UNROLLED, for the longer arrays of SkewRows().
#ifndef WDE_UNROLLED_SKEW
#define WDE_UNROLLED_SKEW _Pragma("GCC unroll 32")
#endif

HWY_BEFORE_NAMESPACE();
namespace wde::attention {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using IntTag = hn::RebindToSigned<FloatTag>;
constexpr IntTag kInts;

// score = term(score, row, vector) for all scores of the block.
template <int kVectors, class Term>
void ChangeScores(const ScoreBlock& block, const Term& term) {
  Vector maximum[kVectors];
  WDE_UNROLLED
  for (int v = 0; v < kVectors; ++v) maximum[v] = hn::Set(kFloats, kLeastMaximum);
  float* scores = block.scores;
  for (int64_t row = 0; row < block.keys; ++row, scores += kVectors * kLanes) {
    WDE_UNROLLED
    for (int v = 0; v < kVectors; ++v) {
      const Vector score = term(hn::Load(kFloats, scores + v * kLanes), row, v);
      hn::Store(score, kFloats, scores + v * kLanes);
      maximum[v] = hn::Max(maximum[v], score);
    }
  }
  WDE_UNROLLED
  for (int v = 0; v < kVectors; ++v) hn::Store(maximum[v], kFloats, block.maximum + v * kLanes);
}

// Scales the scores, too: bias / scale would be rounded before it meets a score.
struct DistanceBias {
  const float* bias;  // by distance; points at that of row 0 and lane 0
  float scale;

  HWY_INLINE Vector operator()(Vector score, int64_t row, int vector) const {
    const Vector term = hn::LoadU(kFloats, bias - row + vector * kLanes);
    return hn::MulAdd(score, hn::Set(kFloats, scale), term);
  }
};

// Scales the scores, too.
struct SoftCap {
  SoftCap(float cap, float scale) : inner(scale / cap), outer(cap) {}
  float inner, outer;

  HWY_INLINE Vector operator()(Vector score, int64_t /*row*/, int /*vector*/) const {
    const Vector capped =
        ops::HWY_NAMESPACE::Tanh(kFloats, hn::Mul(score, hn::Set(kFloats, inner)));
    return hn::Mul(capped, hn::Set(kFloats, outer));
  }
};

struct Hide {
  Band band;

  HWY_INLINE Vector operator()(Vector score, int64_t row, int vector) const {
    return HideUnseen(score, row, band, vector);
  }
};

// Which row of the position tables is whose, by distance.
struct PositionRows {
  const int32_t* of;  // by distance; points at that of row 0 and lane 0
  // Where each distance has the next row of the one before.
  const int32_t *consecutive_begin, *consecutive_end;
  // Whether each distance has the row of the one before, or the next.
  bool neighbours;
};

// k_j·PQ[p]: row j of the products has them for all p, so what lanes want lies side by side, or
// nearly so.
struct PositionToContent {
  const float* products;
  ptrdiff_t stride;
  PositionRows rows;

  HWY_INLINE Vector operator()(Vector score, int64_t row, int vector) const {
    const int32_t* at = rows.of - row + vector * kLanes;
    const float* from = products + row * stride;
    if (at >= rows.consecutive_begin && at + kLanes <= rows.consecutive_end) {
      return hn::Add(score, hn::LoadU(kFloats, from + *at));
    }
    const auto index = hn::LoadU(kInts, at);
    if (!rows.neighbours) return hn::Add(score, hn::GatherIndex(kFloats, from, index));
    const auto lane = hn::IndicesFromVec(kFloats, hn::Sub(index, hn::Set(kInts, *at)));
    return hn::Add(score, hn::TableLookupLanes(hn::LoadU(kFloats, from + *at), lane));
  }
};

// q_i·PK[p]: row p of the products has them for all queries, so lane i of the result is lane i of
// the row of its own distance.
struct ContentToPosition {
  const float* products;  // [positions][W]
  PositionRows rows;
};

// x[r] = column[at[r + lane]][lane]: one stage a bit of `lane`, each of which takes, where the bit
// is set, what lies so many rows further.
template <int kRows>
HWY_INLINE void SkewRows(const float* column, ptrdiff_t stride, const int32_t* at,
                         Vector (&x)[kRows + kLanes - 1]) {
  constexpr int kCount = kRows + kLanes - 1;
  WDE_UNROLLED_SKEW
  for (int r = 0; r < kCount; ++r) x[r] = hn::Load(kFloats, column + at[r] * stride);
  const auto lane = hn::Iota(kInts, 0);
  int count = kCount;
  WDE_UNROLLED
  for (int bit = 1; bit < kLanes; bit *= 2) {
    const auto further = hn::RebindMask(kFloats, hn::TestBit(lane, hn::Set(kInts, bit)));
    count -= bit;
    WDE_UNROLLED_SKEW
    for (int r = 0; r < count; ++r) x[r] = hn::IfThenElse(further, x[r + bit], x[r]);
  }
}

template <int kRows, int kVectors>
HWY_INLINE void AddSkewedRows(const ScoreBlock& block, const ContentToPosition& term, int64_t row,
                              Vector (&maximum)[kVectors]) {
  constexpr ptrdiff_t kWidth = kVectors * kLanes;
  float* scores = block.scores + row * kWidth;
  WDE_UNROLLED
  for (int v = 0; v < kVectors; ++v) {
    Vector x[kRows + kLanes - 1];  // by distance, so that later keys come first
    const int32_t* at = term.rows.of - (row + kRows - 1) + v * kLanes;
    SkewRows<kRows>(term.products + v * kLanes, kWidth, at, x);
    WDE_UNROLLED
    for (int r = 0; r < kRows; ++r) {
      float* to = scores + r * kWidth + v * kLanes;
      const Vector score = hn::Add(hn::Load(kFloats, to), x[kRows - 1 - r]);
      hn::Store(score, kFloats, to);
      maximum[v] = hn::Max(maximum[v], score);
    }
  }
}

template <int kVectors>
void AddContentToPosition(const ScoreBlock& block, const ContentToPosition& term) {
  constexpr int kRows = 4;
  Vector maximum[kVectors];
  WDE_UNROLLED
  for (int v = 0; v < kVectors; ++v) maximum[v] = hn::Set(kFloats, kLeastMaximum);
  int64_t row = 0;
  for (; row + kRows <= block.keys; row += kRows) {
    AddSkewedRows<kRows>(block, term, row, maximum);
  }
  for (; row < block.keys; ++row) AddSkewedRows<1>(block, term, row, maximum);
  WDE_UNROLLED
  for (int v = 0; v < kVectors; ++v) hn::Store(maximum[v], kFloats, block.maximum + v * kLanes);
}

}  // namespace HWY_NAMESPACE
}  // namespace wde::attention
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
