// The register tiles of flash attention: scores of queries and keys, their softmax, probabilities
// times values. A Highway "-inl" header: flash_kernel.cc includes it once per instruction set.
// Knows nothing of batches, heads or sequences.

#if defined(WDE_ATTENTION_CPU_FLASH_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_ATTENTION_CPU_FLASH_TILES_INL_H_
#undef WDE_ATTENTION_CPU_FLASH_TILES_INL_H_
#else
#define WDE_ATTENTION_CPU_FLASH_TILES_INL_H_
#endif

#include <algorithm>
#include <array>
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

// Tokens of a sequence, or rows of a tile.
struct Range {
  int64_t begin = 0, end = 0;
};

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
  // The step that holds `index`, of [0, count).
  int64_t step_of(int64_t index) const {
    const int64_t in_longer = longer_ * (size_ + 1);
    return index < in_longer ? index / (size_ + 1) : longer_ + (index - in_longer) / size_;
  }

 private:
  int64_t steps_, size_, longer_;
};

// Runs Kernel::Run<rows>(tile, first row) over `count` rows, by steps.
template <class Kernel>
void RunBySteps(const typename Kernel::Tile& tile, int64_t count) {
  constexpr auto kBySize = []<size_t... kRow>(std::index_sequence<kRow...>) {
    return std::array{Kernel::template Run<static_cast<int>(kRow) + 1>...};
  }
  (std::make_index_sequence<Kernel::kMaxRows>());
  const Steps steps(count, Kernel::kMaxRows);
  int64_t row = 0;
  for (int64_t step = 0; step < steps.count(); ++step) {
    const int64_t rows = steps.size(step);
    kBySize[static_cast<size_t>(rows - 1)](tile, row);
    row += rows;
  }
}

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

template <class Element>
struct Rows {
  const Element* first = nullptr;
  ptrdiff_t stride = 0;
};

// A dot's group of elements, at [a][b] below, is [a][b][Dot::kGroup] in memory.
template <class Dot>
struct ProductTile {
  const typename Dot::Element* lanes;  // [groups][W]
  Rows<typename Dot::Element> rows;    // [rows][groups]
  int groups;                          // of a head's row
};

// The products of rows [row, row + kRows) with all lanes.
template <class Dot, int kRows, int kVectors>
HWY_INLINE void MultiplyRows(const ProductTile<Dot>& tile, int64_t row,
                             Vector (&sums)[kRows][kVectors]) {
  WDE_UNROLLED
  for (int r = 0; r < kRows; ++r) {
    WDE_UNROLLED
    for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(kFloats);
  }
  const ptrdiff_t stride = tile.rows.stride;
  const auto* HWY_RESTRICT key = tile.rows.first + row * stride;
  const auto* HWY_RESTRICT query = tile.lanes;
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
}

// Which keys of a tile the lanes' queries see.
struct Band {
  int64_t lower, upper;  // query `lane` sees rows [lower + lane, upper + lane]

  // Whether all `lanes` queries see all of rows [begin, end).
  bool all_seen(int64_t begin, int64_t end, int lanes) const {
    return end - 1 <= upper && begin >= lower + lanes - 1;
  }
};

// Finite, so that no difference of two scores is NaN; far below any score.
constexpr float kHiddenScore = -1e30f;
// Of a query that sees no key yet: so far above hidden scores that their power is zero, however
// their products are rounded.
constexpr float kLeastMaximum = -1e20f;

HWY_INLINE Vector HideUnseen(Vector score, int64_t row, const Band& band, int vector) {
  const hn::RebindToSigned<FloatTag> integers;
  const auto lane = hn::Iota(integers, static_cast<int32_t>(vector * kLanes));
  const auto first_seeing = hn::Set(integers, static_cast<int32_t>(row - band.upper));
  const auto last_seeing = hn::Set(integers, static_cast<int32_t>(row - band.lower));
  const auto hidden = hn::Or(hn::Lt(lane, first_seeing), hn::Gt(lane, last_seeing));
  return hn::IfThenElse(hn::RebindMask(kFloats, hidden), hn::Set(kFloats, kHiddenScore), score);
}

// Scores of W queries with the keys of a tile, or of a part of one.
struct ScoreBlock {
  float* scores;  // [keys][W]
  int64_t keys;
  float* maximum;  // [W], of each query's scores
  Band band;
};

template <class Dot>
struct ScoreTile {
  ProductTile<Dot> product;
  ScoreBlock block;
};

template <class Dot, int kVectors>
struct ScoreRows {
  using Tile = ScoreTile<Dot>;
  static constexpr int kMaxRows = kScoreRows[kVectors];

  template <int kRows>
  static HWY_NOINLINE void Run(const Tile& tile, int64_t row) {
    Vector sums[kRows][kVectors];
    MultiplyRows<Dot>(tile.product, row, sums);
    const ScoreBlock& block = tile.block;
    if (!block.band.all_seen(row, row + kRows, kVectors * kLanes)) {
      WDE_UNROLLED
      for (int r = 0; r < kRows; ++r) {
        WDE_UNROLLED
        for (int v = 0; v < kVectors; ++v) {
          sums[r][v] = HideUnseen(sums[r][v], row + r, block.band, v);
        }
      }
    }
    float* HWY_RESTRICT scores = block.scores + row * kVectors * kLanes;
    WDE_UNROLLED
    for (int v = 0; v < kVectors; ++v) {
      Vector maximum = hn::Load(kFloats, block.maximum + v * kLanes);
      WDE_UNROLLED
      for (int r = 0; r < kRows; ++r) {
        hn::Store(sums[r][v], kFloats, scores + (r * kVectors + v) * kLanes);
        maximum = hn::Max(maximum, sums[r][v]);
      }
      hn::Store(maximum, kFloats, block.maximum + v * kLanes);
    }
  }
};

template <class Dot, int kVectors>
void Scores(const ScoreTile<Dot>& tile) {
  WDE_UNROLLED
  for (int v = 0; v < kVectors; ++v) {
    hn::Store(hn::Set(kFloats, kLeastMaximum), kFloats, tile.block.maximum + v * kLanes);
  }
  RunBySteps<ScoreRows<Dot, kVectors>>(tile, tile.block.keys);
}

template <class Dot>
struct PlainProductTile {
  ProductTile<Dot> product;
  float* to;  // [rows][W], rows to_stride apart
  ptrdiff_t to_stride;
};

template <class Dot, int kVectors>
struct PlainProductRows {
  using Tile = PlainProductTile<Dot>;
  static constexpr int kMaxRows = kScoreRows[kVectors];

  template <int kRows>
  static HWY_NOINLINE void Run(const Tile& tile, int64_t row) {
    Vector sums[kRows][kVectors];
    MultiplyRows<Dot>(tile.product, row, sums);
    float* HWY_RESTRICT to = tile.to + row * tile.to_stride;
    WDE_UNROLLED
    for (int r = 0; r < kRows; ++r) {
      WDE_UNROLLED
      for (int v = 0; v < kVectors; ++v) {
        hn::StoreU(sums[r][v], kFloats, to + r * tile.to_stride + v * kLanes);
      }
    }
  }
};

template <class Dot, int kVectors>
void Products(const PlainProductTile<Dot>& tile, int64_t rows) {
  RunBySteps<PlainProductRows<Dot, kVectors>>(tile, rows);
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
template <class Dot, int kCount>
HWY_INLINE void Exp2Of(Vector (&x)[kCount]) {
#if WDE_HWY_AVX512
  if constexpr (Dot::kGroup > 1) return ops::HWY_NAMESPACE::Exp2Coarse<kCount>(kFloats, x);
#endif
  for (Vector& v : x) v = Exp2NonPositive(v);
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

// What the scores of kVectors vectors of queries become: 2^(scale (score - maximum)).
template <class Dot, int kVectors>
class SoftmaxPowers {
 public:
  SoftmaxPowers(const Vector (&maximum)[kVectors], Vector scale) : scale_(scale) {
    WDE_UNROLLED
    for (int v = 0; v < kVectors; ++v) {
      bias_[v] = kFused ? hn::Neg(hn::Mul(scale, maximum[v])) : maximum[v];
    }
  }

  // Of kCount / kVectors keys at once, one after the other in memory; added to the queries' sums.
  template <int kCount>
  HWY_INLINE void Of(const float* scores, Vector (&sum)[kVectors], Vector (&p)[kCount]) const {
    WDE_UNROLLED
    for (int i = 0; i < kCount; ++i) {
      const Vector score = hn::Load(kFloats, scores + i * kLanes);
      p[i] = kFused ? hn::MulAdd(scale_, score, bias_[i % kVectors])
                    : hn::Mul(scale_, hn::Sub(score, bias_[i % kVectors]));
    }
    Exp2Of<Dot>(p);
    WDE_UNROLLED
    for (int i = 0; i < kCount; ++i) sum[i % kVectors] = hn::Add(sum[i % kVectors], p[i]);
  }

 private:
  // Scale times maximum is rounded once for all scores of a query, which scales its powers alike.
  // They stay finite while that product is below 2^30, beyond what bf16 models' scores come to.
  static constexpr bool kFused = Dot::kGroup > 1;

  Vector scale_;
  Vector bias_[kVectors];
};

// Scores become 2^(scale (score - maximum)), in place, in the elements of the dot: the groups
// [keys / kGroup][W], the last one filled up with zeros.
template <class Dot, int kVectors>
void Softmax(const ScoreBlock& block, float scale, Tile position, const SoftmaxState& state) {
  float* HWY_RESTRICT scores = block.scores;
  const int64_t keys = block.keys;
  const Vector scales = hn::Set(kFloats, scale);
  Vector maximum[kVectors];
  Vector sum[kVectors];
  WDE_UNROLLED
  for (int v = 0; v < kVectors; ++v) {
    maximum[v] = hn::Load(kFloats, block.maximum + v * kLanes);
    sum[v] = hn::Zero(kFloats);
    if (position == Tile::kLater) {
      const Vector before = hn::Load(kFloats, state.maximum + v * kLanes);
      maximum[v] = hn::Max(maximum[v], before);
      Vector rescale[1] = {hn::Mul(scales, hn::Sub(before, maximum[v]))};
      Exp2Of<Dot>(rescale);
      hn::Store(rescale[0], kFloats, state.rescale + v * kLanes);
      sum[v] = hn::Mul(rescale[0], hn::Load(kFloats, state.sum + v * kLanes));
    }
    hn::Store(maximum[v], kFloats, state.maximum + v * kLanes);
  }
  const SoftmaxPowers<Dot, kVectors> powers(maximum, scales);
  constexpr int64_t kWidth = kVectors * kLanes;
  if constexpr (Dot::kGroup == 1) {
    for (int64_t key = 0; key < keys; ++key, scores += kWidth) {
      Vector p[kVectors];
      powers.Of(scores, sum, p);
      WDE_UNROLLED
      for (int v = 0; v < kVectors; ++v) hn::Store(p[v], kFloats, scores + v * kLanes);
    }
  } else {
    auto* pairs = reinterpret_cast<typename Dot::Element*>(scores);
    int64_t key = 0;
    for (; key + 2 <= keys; key += 2, scores += 2 * kWidth, pairs += 2 * kWidth) {
      Vector p[2 * kVectors];
      powers.Of(scores, sum, p);
      WDE_UNROLLED
      for (int v = 0; v < kVectors; ++v) StorePairs(p[v], p[kVectors + v], pairs + 2 * v * kLanes);
    }
    if (key < keys) {
      Vector p[kVectors];
      powers.Of(scores, sum, p);
      WDE_UNROLLED
      for (int v = 0; v < kVectors; ++v) {
        StorePairs(p[v], hn::Zero(kFloats), pairs + 2 * v * kLanes);
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

template <class Dot, int kVectors>
struct ValueRows {
  using Tile = ValueTile<Dot>;
  static constexpr int kMaxRows = kValueRows[kVectors];

  template <int kRows>
  static HWY_NOINLINE void Run(const Tile& tile, int64_t row) {
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
        hn::StoreU(hn::Mul(sums[r][v], scale), kFloats,
                   output + r * tile.output_stride + v * kLanes);
      }
    }
  }
};

template <class Dot>
void Values(const ValueTile<Dot>& tile, int64_t queries, int64_t vectors) {
  static_assert(kMaxValueVectors == 4);
  switch (vectors) {
    case 1:
      return RunBySteps<ValueRows<Dot, 1>>(tile, queries);
    case 2:
      return RunBySteps<ValueRows<Dot, 2>>(tile, queries);
    case 3:
      return RunBySteps<ValueRows<Dot, 3>>(tile, queries);
    default:
      return RunBySteps<ValueRows<Dot, 4>>(tile, queries);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace wde::attention
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
