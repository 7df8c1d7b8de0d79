// The register tiles of flash attention: scores of queries and keys, their softmax, probabilities
// times values; and the copies that bring rows of Q, K and V into the form that these read. A
// Highway "-inl" header: flash_kernel.cc includes it once per instruction set. Knows nothing of
// batches, heads or sequences.

#if defined(WDE_ATTENTION_CPU_FLASH_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_ATTENTION_CPU_FLASH_TILES_INL_H_
#undef WDE_ATTENTION_CPU_FLASH_TILES_INL_H_
#else
#define WDE_ATTENTION_CPU_FLASH_TILES_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "hwy/highway.h"
#include "ops/cpu/dot-inl.h"
#include "ops/cpu/vector_math-inl.h"

// Register tiles are arrays; only a loop that is gone early enough lets the compiler keep one in
// registers from end to end.
#ifndef WDE_UNROLLED
#define WDE_UNROLLED _Pragma("GCC unroll 12")
#endif

HWY_BEFORE_NAMESPACE();
namespace wde::attention {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using ops::HWY_NAMESPACE::F32Dot;
using ops::HWY_NAMESPACE::LoadF32;
using ops::HWY_NAMESPACE::LoadF32N;

using FloatTag = hn::ScalableTag<float>;
using Vector = hn::Vec<FloatTag>;
constexpr FloatTag kFloats;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(FloatTag()));

// Register tiles: rows x vectors accumulators, as many as leave registers for the vectors they are
// made from (and, with 32 registers, general registers for the rows' addresses).
#if WDE_HWY_AVX512 || HWY_TARGET == HWY_NEON
constexpr int kScoreRows[] = {0, 12, 8};
constexpr int kValueRows[] = {0, 12, 12, 8, 6};
#else
constexpr int kScoreRows[] = {0, 12, 6};
constexpr int kValueRows[] = {0, 12, 6, 4, 3};
#endif
constexpr int kMaxValueVectors = 4;

// Finite, so that no difference of two scores is NaN; far below any score.
constexpr float kHiddenScore = -1e30f;

// Cuts `count` into the fewest steps of at most `largest`, as equal as can be.
class Steps {
 public:
  Steps(int64_t count, int64_t largest)
      : steps_(count == 0 ? 0 : (count + largest - 1) / largest),
        size_(steps_ == 0 ? 0 : count / steps_),
        longer_(steps_ == 0 ? 0 : count % steps_) {}
  int64_t count() const { return steps_; }
  int64_t size(int64_t step) const { return size_ + (step < longer_ ? 1 : 0); }
  int64_t begin(int64_t step) const { return step * size_ + std::min(step, longer_); }

 private:
  int64_t steps_, size_, longer_;
};

// 2^x for x <= 0: relative error 2e-7, exactly 1 at 0, exactly 0 from -127 down. The polynomial is
// the minimax of relative error 9e-8 for 2^r, |r| <= 1/2, with the constant term held at 1;
// adding 1.5 * 2^23 leaves round(x) in the lowest bits, whence it moves to the exponent.
HWY_INLINE Vector Exp2NonPositive(Vector x) {
  const hn::RebindToUnsigned<FloatTag> bits;
  const Vector magic = hn::Set(kFloats, 12582912.0f);
  x = hn::Max(x, hn::Set(kFloats, -127.0f));
  const Vector shifted = hn::Add(x, magic);
  const Vector r = hn::Sub(x, hn::Sub(shifted, magic));
  Vector p = hn::Set(kFloats, 0.001326472731307149f);
  p = hn::MulAdd(p, r, hn::Set(kFloats, 0.009671512991189957f));
  p = hn::MulAdd(p, r, hn::Set(kFloats, 0.05550733581185341f));
  p = hn::MulAdd(p, r, hn::Set(kFloats, 0.24022242426872253f));
  p = hn::MulAdd(p, r, hn::Set(kFloats, 0.6931470036506653f));
  p = hn::MulAdd(p, r, hn::Set(kFloats, 1.0f));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(bits, shifted));
  return hn::BitCast(kFloats, hn::Add(hn::BitCast(bits, p), exponent));
}

// ------------------------------------------------------------------ scores

// A dot's group of elements, at [a][b] below, is [a][b][Dot::kGroup] in memory.
template <class Dot>
struct ScoreTile {
  const typename Dot::Element* queries;  // [groups][W]
  const typename Dot::Element* keys;     // [keys][groups], rows key_stride elements apart
  ptrdiff_t key_stride;
  int groups;        // of a head's row
  int64_t diagonal;  // key `row` is hidden from query `lane` where row > diagonal + lane
  float* scores;     // [keys][W]
  float* maximum;    // [W], of the scores so far
};

template <int kVectors>
HWY_INLINE Vector HideLater(Vector score, int64_t row, int64_t diagonal, int vector) {
  const hn::RebindToSigned<FloatTag> integers;
  const auto lane = hn::Iota(integers, static_cast<int32_t>(vector * kLanes));
  const auto first_seeing = hn::Set(integers, static_cast<int32_t>(row - diagonal));
  const auto hidden = hn::RebindMask(kFloats, hn::Lt(lane, first_seeing));
  return hn::IfThenElse(hidden, hn::Set(kFloats, kHiddenScore), score);
}

template <class Dot, int kRows, int kVectors>
HWY_NOINLINE void ScoreRows(const ScoreTile<Dot>& tile, int64_t row) {
  Vector sums[kRows][kVectors];
  WDE_UNROLLED
  for (int r = 0; r < kRows; ++r) {
    WDE_UNROLLED
    for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(kFloats);
  }
  const ptrdiff_t stride = tile.key_stride;
  const auto* HWY_RESTRICT key = tile.keys + row * stride;
  const auto* HWY_RESTRICT query = tile.queries;
  for (int g = 0; g < tile.groups; ++g) {
    typename Dot::Operand q[kVectors];
    WDE_UNROLLED
    for (int v = 0; v < kVectors; ++v) q[v] = Dot::Load(query + v * kLanes * Dot::kGroup);
    query += kVectors * kLanes * Dot::kGroup;
    WDE_UNROLLED
    for (int r = 0; r < kRows; ++r) {
      const auto k = Dot::Broadcast(key + g * Dot::kGroup + r * stride);
      WDE_UNROLLED
      for (int v = 0; v < kVectors; ++v) sums[r][v] = Dot::MultiplyAdd(k, q[v], sums[r][v]);
    }
  }
  if (row + kRows - 1 > tile.diagonal) {
    WDE_UNROLLED
    for (int r = 0; r < kRows; ++r) {
      WDE_UNROLLED
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = HideLater<kVectors>(sums[r][v], row + r, tile.diagonal, v);
      }
    }
  }
  float* HWY_RESTRICT scores = tile.scores + row * kVectors * kLanes;
  WDE_UNROLLED
  for (int v = 0; v < kVectors; ++v) {
    Vector maximum = hn::Load(kFloats, tile.maximum + v * kLanes);
    WDE_UNROLLED
    for (int r = 0; r < kRows; ++r) {
      hn::Store(sums[r][v], kFloats, scores + (r * kVectors + v) * kLanes);
      maximum = hn::Max(maximum, sums[r][v]);
    }
    hn::Store(maximum, kFloats, tile.maximum + v * kLanes);
  }
}

template <class Dot, int kVectors>
void Scores(const ScoreTile<Dot>& tile, int64_t keys) {
  constexpr int kMaxRows = kScoreRows[kVectors];
  constexpr auto kBySize = []<size_t... kRow>(std::index_sequence<kRow...>) {
    return std::array{ScoreRows<Dot, static_cast<int>(kRow) + 1, kVectors>...};
  }
  (std::make_index_sequence<kMaxRows>());
  WDE_UNROLLED
  for (int v = 0; v < kVectors; ++v) {
    hn::Store(hn::Set(kFloats, kHiddenScore), kFloats, tile.maximum + v * kLanes);
  }
  const Steps steps(keys, kMaxRows);
  int64_t row = 0;
  for (int64_t step = 0; step < steps.count(); ++step) {
    const int64_t rows = steps.size(step);
    kBySize[static_cast<size_t>(rows - 1)](tile, row);
    row += rows;
  }
}

// ------------------------------------------------------------------ softmax

// Each [W]; of the keys seen so far.
struct SoftmaxState {
  float* maximum;
  float* sum;
  float* rescale;  // what the last tile multiplied earlier sums by
};

enum class Tile { kFirst, kLater };

// 2^x for x <= 0, as exactly as the dot's elements can tell.
template <class Dot>
HWY_INLINE Vector Exp2Of(Vector x) {
#if WDE_HWY_AVX512
  if constexpr (Dot::kGroup > 1) return ops::HWY_NAMESPACE::Exp2Coarse(kFloats, x);
#endif
  return Exp2NonPositive(x);
}

#if HWY_TARGET == HWY_AVX3_DL
// Rounds to bf16 and stores [lane][a, b].
HWY_INLINE void StorePairs(Vector a, Vector b, bf16* to) {
  alignas(64) static constexpr uint16_t kInterleaved[32] = {
      0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
      8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  __m512i both;
  asm("vcvtne2ps2bf16 %[a], %[b], %[both]" : [both] "=v"(both) : [a] "v"(a.raw), [b] "v"(b.raw));
  _mm512_storeu_si512(to, _mm512_permutexvar_epi16(_mm512_load_si512(kInterleaved), both));
}
#endif

// Scores [keys][W] become 2^(scale (score - maximum)), in place, in the elements of the dot: the
// groups [keys / kGroup][W], the last one filled up with zeros.
template <class Dot, int kVectors>
void Softmax(float* HWY_RESTRICT scores, int64_t keys, float scale, const float* tile_maximum,
             Tile position, const SoftmaxState& state) {
  const Vector scales = hn::Set(kFloats, scale);
  Vector maximum[kVectors];
  Vector sum[kVectors];
  WDE_UNROLLED
  for (int v = 0; v < kVectors; ++v) {
    maximum[v] = hn::Load(kFloats, tile_maximum + v * kLanes);
    sum[v] = hn::Zero(kFloats);
    if (position == Tile::kLater) {
      const Vector before = hn::Load(kFloats, state.maximum + v * kLanes);
      maximum[v] = hn::Max(maximum[v], before);
      const Vector rescale = Exp2Of<Dot>(hn::Mul(scales, hn::Sub(before, maximum[v])));
      hn::Store(rescale, kFloats, state.rescale + v * kLanes);
      sum[v] = hn::Mul(rescale, hn::Load(kFloats, state.sum + v * kLanes));
    }
    hn::Store(maximum[v], kFloats, state.maximum + v * kLanes);
  }
  const auto exponentiate = [&](const float* from, int v) HWY_ATTR {
    const Vector score = hn::Load(kFloats, from + v * kLanes);
    const Vector p = Exp2Of<Dot>(hn::Mul(scales, hn::Sub(score, maximum[v])));
    sum[v] = hn::Add(sum[v], p);
    return p;
  };
  constexpr int64_t kWidth = kVectors * kLanes;
  if constexpr (Dot::kGroup == 1) {
    for (int64_t key = 0; key < keys; ++key, scores += kWidth) {
      WDE_UNROLLED
      for (int v = 0; v < kVectors; ++v) {
        hn::Store(exponentiate(scores, v), kFloats, scores + v * kLanes);
      }
    }
  } else {
    auto* pairs = reinterpret_cast<typename Dot::Element*>(scores);
    for (int64_t key = 0; key < keys; key += 2, scores += 2 * kWidth, pairs += 2 * kWidth) {
      WDE_UNROLLED
      for (int v = 0; v < kVectors; ++v) {
        const Vector first = exponentiate(scores, v);
        const Vector second = key + 1 < keys ? exponentiate(scores + kWidth, v) : hn::Zero(kFloats);
        StorePairs(first, second, pairs + 2 * v * kLanes);
      }
    }
  }
  WDE_UNROLLED
  for (int v = 0; v < kVectors; ++v) hn::Store(sum[v], kFloats, state.sum + v * kLanes);
}

// ------------------------------------------------------------------ values

template <class Dot>
struct ValueTile {
  const typename Dot::Element* probabilities;  // [groups][width]
  int width;
  const typename Dot::Element* values;  // [groups][kVectors * kLanes], value_stride apart
  ptrdiff_t value_stride;
  int64_t groups;        // of keys
  const float* rescale;  // [queries]: multiplies `before`; null for the first tile
  const float* before;   // [queries][…], rows before_stride apart
  ptrdiff_t before_stride;
  const float* inverse_sum;  // [queries]: multiplies the result; null before the last tile
  float* output;             // [queries][…], rows output_stride apart; may be `before`
  ptrdiff_t output_stride;
};

template <class Dot, int kRows, int kVectors>
HWY_NOINLINE void ValueRows(const ValueTile<Dot>& tile, int64_t row) {
  Vector sums[kRows][kVectors];
  WDE_UNROLLED
  for (int r = 0; r < kRows; ++r) {
    WDE_UNROLLED
    for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(kFloats);
  }
  if (tile.rescale != nullptr) {
    const float* before = tile.before + row * tile.before_stride;
    WDE_UNROLLED
    for (int r = 0; r < kRows; ++r) {
      const Vector rescale = hn::Set(kFloats, tile.rescale[row + r]);
      WDE_UNROLLED
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] =
            hn::Mul(rescale, hn::LoadU(kFloats, before + r * tile.before_stride + v * kLanes));
      }
    }
  }
  const auto* HWY_RESTRICT probability = tile.probabilities + row * Dot::kGroup;
  const auto* HWY_RESTRICT value = tile.values;
  for (int64_t group = 0; group < tile.groups; ++group) {
    typename Dot::Operand x[kVectors];
    WDE_UNROLLED
    for (int v = 0; v < kVectors; ++v) x[v] = Dot::Load(value + v * kLanes * Dot::kGroup);
    WDE_UNROLLED
    for (int r = 0; r < kRows; ++r) {
      const auto p = Dot::Broadcast(probability + r * Dot::kGroup);
      WDE_UNROLLED
      for (int v = 0; v < kVectors; ++v) sums[r][v] = Dot::MultiplyAdd(p, x[v], sums[r][v]);
    }
    probability += tile.width * Dot::kGroup;
    value += tile.value_stride;
  }
  float* output = tile.output + row * tile.output_stride;
  WDE_UNROLLED
  for (int r = 0; r < kRows; ++r) {
    const Vector scale = hn::Set(kFloats, tile.inverse_sum ? tile.inverse_sum[row + r] : 1.0f);
    WDE_UNROLLED
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(hn::Mul(sums[r][v], scale), kFloats, output + r * tile.output_stride + v * kLanes);
    }
  }
}

template <class Dot, int kVectors>
void ValuesOf(const ValueTile<Dot>& tile, int64_t queries) {
  constexpr int kMaxRows = kValueRows[kVectors];
  constexpr auto kBySize = []<size_t... kRow>(std::index_sequence<kRow...>) {
    return std::array{ValueRows<Dot, static_cast<int>(kRow) + 1, kVectors>...};
  }
  (std::make_index_sequence<kMaxRows>());
  const Steps steps(queries, kMaxRows);
  int64_t row = 0;
  for (int64_t step = 0; step < steps.count(); ++step) {
    const int64_t rows = steps.size(step);
    kBySize[static_cast<size_t>(rows - 1)](tile, row);
    row += rows;
  }
}

template <class Dot>
void Values(const ValueTile<Dot>& tile, int64_t queries, int64_t vectors) {
  static_assert(kMaxValueVectors == 4);
  switch (vectors) {
    case 1:
      return ValuesOf<Dot, 1>(tile, queries);
    case 2:
      return ValuesOf<Dot, 2>(tile, queries);
    case 3:
      return ValuesOf<Dot, 3>(tile, queries);
    default:
      return ValuesOf<Dot, 4>(tile, queries);
  }
}

// ------------------------------------------------------------------ packing

#if HWY_TARGET != HWY_SCALAR
// One 128-bit block per four rows: block b holds groups [column, column + 4) of rows[4 b].
template <class Dot, class D, class T>
HWY_INLINE hn::Vec<D> LoadFours(D d, const T* const* rows, int column) {
  if constexpr (hn::MaxLanes(D()) <= 4) {
    if constexpr (Dot::kGroup == 1) return LoadF32(d, rows[0] + column);
    return hn::LoadU(d, reinterpret_cast<const float*>(rows[0] + column * Dot::kGroup));
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, LoadFours<Dot>(half, rows + hn::MaxLanes(half), column),
                       LoadFours<Dot>(half, rows, column));
  }
}

// As TransposeRows; returns how many columns it has done.
template <class Dot, class T>
HWY_INLINE int TransposeFours(const T* const* rows, int columns, float* to, ptrdiff_t stride) {
  const hn::RepartitionToWide<hn::RebindToUnsigned<FloatTag>> pairs;
  int i = 0;
  for (; i + 4 <= columns; i += 4) {
    const Vector a = LoadFours<Dot>(kFloats, rows + 0, i);
    const Vector b = LoadFours<Dot>(kFloats, rows + 1, i);
    const Vector c = LoadFours<Dot>(kFloats, rows + 2, i);
    const Vector d = LoadFours<Dot>(kFloats, rows + 3, i);
    const auto ab01 = hn::BitCast(pairs, hn::InterleaveLower(kFloats, a, b));
    const auto ab23 = hn::BitCast(pairs, hn::InterleaveUpper(kFloats, a, b));
    const auto cd01 = hn::BitCast(pairs, hn::InterleaveLower(kFloats, c, d));
    const auto cd23 = hn::BitCast(pairs, hn::InterleaveUpper(kFloats, c, d));
    float* column = to + i * stride;
    hn::Store(hn::BitCast(kFloats, hn::InterleaveLower(pairs, ab01, cd01)), kFloats, column);
    hn::Store(hn::BitCast(kFloats, hn::InterleaveUpper(pairs, ab01, cd01)), kFloats,
              column + stride);
    hn::Store(hn::BitCast(kFloats, hn::InterleaveLower(pairs, ab23, cd23)), kFloats,
              column + 2 * stride);
    hn::Store(hn::BitCast(kFloats, hn::InterleaveUpper(pairs, ab23, cd23)), kFloats,
              column + 3 * stride);
  }
  return i;
}
#endif  // HWY_TARGET != HWY_SCALAR

// Group i of rows[lane], of so many groups, to the place of group [i * stride + lane] of `to`, for
// one vector of rows. A group takes 32 bits and is moved as a float.
template <class Dot, class T>
HWY_INLINE void TransposeRows(const T* const* rows, int groups, float* to, ptrdiff_t stride) {
  int i = 0;
#if HWY_TARGET != HWY_SCALAR
  i = TransposeFours<Dot>(rows, groups, to, stride);
#endif
  for (; i < groups; ++i) {
    for (int lane = 0; lane < kLanes; ++lane) {
      if constexpr (Dot::kGroup == 1) {
        to[i * stride + lane] = to_f32(rows[lane][i]);
      } else {
        std::memcpy(to + i * stride + lane, rows[lane] + i * Dot::kGroup, sizeof(float));
      }
    }
  }
}

// Columns [begin, begin + vectors * kLanes) of `rows` rows as f32, zeros from `columns` on.
template <class T>
void WidenRows(const T* from, ptrdiff_t from_stride, int64_t rows, int64_t columns, int64_t begin,
               int64_t vectors, float* HWY_RESTRICT to) {
  const int64_t end = std::min(begin + vectors * kLanes, columns);
  for (int64_t row = 0; row < rows; ++row) {
    int64_t column = begin;
    for (; column + kLanes <= end; column += kLanes) {
      hn::Store(LoadF32(kFloats, from + column), kFloats, to);
      to += kLanes;
    }
    if (column < end) {
      hn::Store(LoadF32N(kFloats, from + column, static_cast<size_t>(end - column)), kFloats, to);
      to += kLanes;
    }
    from += from_stride;
  }
}

#if HWY_TARGET == HWY_AVX3_DL
// Columns as above of two rows at a time, interleaved: [rows / 2][vectors * kLanes] pairs, an odd
// last row beside zeros.
inline void InterleaveRows(const bf16* from, ptrdiff_t from_stride, int64_t rows, int64_t columns,
                           int64_t begin, int64_t vectors, bf16* HWY_RESTRICT to) {
  const int64_t end = std::min(begin + vectors * kLanes, columns);
  const auto load = [&](int64_t row, int64_t column) HWY_ATTR {
    if (row >= rows) return _mm512_setzero_si512();
    const int64_t count = std::min<int64_t>(end - column, kLanes);
    const auto mask = static_cast<__mmask16>((1u << count) - 1u);
    return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from + row * from_stride + column));
  };
  for (int64_t row = 0; row < rows; row += 2) {
    for (int64_t column = begin; column < end; column += kLanes, to += 2 * kLanes) {
      const __m512i second = _mm512_slli_epi32(load(row + 1, column), 16);
      _mm512_store_si512(to, _mm512_or_si512(load(row, column), second));
    }
  }
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace wde::attention
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
