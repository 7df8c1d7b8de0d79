// Flash attention (Dao et al. 2022, Milakov and Gimelshein 2018 for the running softmax), compiled
// once per instruction set.
//
// Lanes are queries: for W queries (one or two vectors) the scores are kept transposed,
// [key][query], so that scores need no packing of K (its elements are broadcast), the softmax runs
// down the lanes without a horizontal sum, and P V broadcasts adjacent probabilities against rows
// of V. Only Q is transposed, with the scale and log2(e) folded in: probabilities are 2^(s - max).
//
// Keys come in tiles of at most kMaxTileKeys, of a size that depends on the sequence's length
// alone. A sequence of one tile needs no rescaling and writes its output straight from registers.
#include "attention/cpu/flash_kernel.h"

#include <algorithm>
#include <array>
#include <limits>
#include <type_traits>
#include <utility>

#include "ops/cpu/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/cpu/flash_kernel.cc"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace wde::attention {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using ops::HWY_NAMESPACE::LoadF32;
using ops::HWY_NAMESPACE::LoadF32N;
using ops::HWY_NAMESPACE::StoreF32;
using ops::HWY_NAMESPACE::StoreF32N;

using FloatTag = hn::ScalableTag<float>;
using Vector = hn::Vec<FloatTag>;
constexpr FloatTag kFloats;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(FloatTag()));

// A tile of K or V (32 KiB at head size 64) and its scores stay within reach of L1.
constexpr int64_t kMaxTileKeys = 128;
constexpr int64_t kMaxTokensInPlace = 32;  // at most kMaxTileKeys
constexpr int kBlockVectors = 2;
constexpr int kBlockQueries = kBlockVectors * kLanes;

// Register tiles: rows x vectors accumulators, as many as leave registers for the vectors they are
// made from (and, with 32 registers, general registers for the rows' addresses).
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr int kScoreRows[] = {0, 12, 8};
constexpr int kValueRows[] = {0, 12, 12, 8, 6};
#else
constexpr int kScoreRows[] = {0, 12, 6};
constexpr int kValueRows[] = {0, 12, 6, 4, 3};
#endif
constexpr int kMaxValueVectors = 4;

// Register tiles are arrays; only a loop that is gone early enough lets the compiler keep one in
// registers from end to end.
#define WDE_UNROLLED _Pragma("GCC unroll 12")

// Finite, so that no difference of two scores is NaN; far below any score.
constexpr float kHiddenScore = -std::numeric_limits<float>::max() / 4;

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

struct ScoreTile {
  const float* queries;  // [head_size][W], scaled
  const float* keys;     // [keys][head_size], rows key_stride apart
  ptrdiff_t key_stride;
  int head_size;
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

template <int kRows, int kVectors>
HWY_NOINLINE void ScoreRows(const ScoreTile& tile, int64_t row) {
  Vector sums[kRows][kVectors];
  WDE_UNROLLED
  for (int r = 0; r < kRows; ++r) {
    WDE_UNROLLED
    for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(kFloats);
  }
  const ptrdiff_t stride = tile.key_stride;
  const float* HWY_RESTRICT key = tile.keys + row * stride;
  const float* HWY_RESTRICT query = tile.queries;
  for (int d = 0; d < tile.head_size; ++d) {
    Vector q[kVectors];
    WDE_UNROLLED
    for (int v = 0; v < kVectors; ++v) q[v] = hn::Load(kFloats, query + v * kLanes);
    query += kVectors * kLanes;
    WDE_UNROLLED
    for (int r = 0; r < kRows; ++r) {
      const Vector k = hn::Set(kFloats, key[d + r * stride]);
      WDE_UNROLLED
      for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(k, q[v], sums[r][v]);
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

template <int kVectors>
void Scores(const ScoreTile& tile, int64_t keys) {
  constexpr int kMaxRows = kScoreRows[kVectors];
  constexpr auto kBySize = []<size_t... kRow>(std::index_sequence<kRow...>) {
    return std::array{ScoreRows<static_cast<int>(kRow) + 1, kVectors>...};
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

// Each [W]; of the keys seen so far, scores in units of log2.
struct SoftmaxState {
  float* maximum;
  float* sum;
  float* rescale;  // what the last tile multiplied earlier sums by
};

enum class Tile { kFirst, kLater };

// Scores [keys][W] become 2^(score - maximum), in place.
template <int kVectors>
void Softmax(float* HWY_RESTRICT scores, int64_t keys, const float* tile_maximum, Tile position,
             const SoftmaxState& state) {
  Vector maximum[kVectors];
  Vector sum[kVectors];
  WDE_UNROLLED
  for (int v = 0; v < kVectors; ++v) {
    maximum[v] = hn::Load(kFloats, tile_maximum + v * kLanes);
    sum[v] = hn::Zero(kFloats);
    if (position == Tile::kLater) {
      const Vector before = hn::Load(kFloats, state.maximum + v * kLanes);
      maximum[v] = hn::Max(maximum[v], before);
      const Vector rescale = Exp2NonPositive(hn::Sub(before, maximum[v]));
      hn::Store(rescale, kFloats, state.rescale + v * kLanes);
      sum[v] = hn::Mul(rescale, hn::Load(kFloats, state.sum + v * kLanes));
    }
    hn::Store(maximum[v], kFloats, state.maximum + v * kLanes);
  }
  for (int64_t key = 0; key < keys; ++key) {
    WDE_UNROLLED
    for (int v = 0; v < kVectors; ++v) {
      const Vector score = hn::Load(kFloats, scores + v * kLanes);
      const Vector p = Exp2NonPositive(hn::Sub(score, maximum[v]));
      hn::Store(p, kFloats, scores + v * kLanes);
      sum[v] = hn::Add(sum[v], p);
    }
    scores += kVectors * kLanes;
  }
  WDE_UNROLLED
  for (int v = 0; v < kVectors; ++v) hn::Store(sum[v], kFloats, state.sum + v * kLanes);
}

// ------------------------------------------------------------------ values

struct ValueTile {
  const float* probabilities;  // [keys][width]
  int width;
  const float* values;  // [keys][kVectors * kLanes], rows value_stride apart
  ptrdiff_t value_stride;
  int64_t keys;
  const float* rescale;  // [queries]: multiplies `before`; null for the first tile
  const float* before;   // [queries][…], rows before_stride apart
  ptrdiff_t before_stride;
  const float* inverse_sum;  // [queries]: multiplies the result; null before the last tile
  float* output;             // [queries][…], rows output_stride apart; may be `before`
  ptrdiff_t output_stride;
};

template <int kRows, int kVectors>
HWY_NOINLINE void ValueRows(const ValueTile& tile, int64_t row) {
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
  const float* HWY_RESTRICT probability = tile.probabilities + row;
  const float* HWY_RESTRICT value = tile.values;
  for (int64_t key = 0; key < tile.keys; ++key) {
    Vector x[kVectors];
    WDE_UNROLLED
    for (int v = 0; v < kVectors; ++v) x[v] = hn::LoadU(kFloats, value + v * kLanes);
    WDE_UNROLLED
    for (int r = 0; r < kRows; ++r) {
      const Vector p = hn::Set(kFloats, probability[r]);
      WDE_UNROLLED
      for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(p, x[v], sums[r][v]);
    }
    probability += tile.width;
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

template <int kVectors>
void ValuesOf(const ValueTile& tile, int64_t queries) {
  constexpr int kMaxRows = kValueRows[kVectors];
  constexpr auto kBySize = []<size_t... kRow>(std::index_sequence<kRow...>) {
    return std::array{ValueRows<static_cast<int>(kRow) + 1, kVectors>...};
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

void Values(const ValueTile& tile, int64_t queries, int64_t vectors) {
  static_assert(kMaxValueVectors == 4);
  switch (vectors) {
    case 1:
      return ValuesOf<1>(tile, queries);
    case 2:
      return ValuesOf<2>(tile, queries);
    case 3:
      return ValuesOf<3>(tile, queries);
    default:
      return ValuesOf<4>(tile, queries);
  }
}

// ------------------------------------------------------------------ packing

#if HWY_TARGET != HWY_SCALAR
// One 128-bit block per four rows: block b holds rows[4 b][column, column + 4).
template <class D, class T>
HWY_INLINE hn::Vec<D> LoadFours(D d, const T* const* rows, int column) {
  if constexpr (hn::MaxLanes(D()) <= 4) {
    return LoadF32(d, rows[0] + column);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, LoadFours(half, rows + hn::MaxLanes(half), column),
                       LoadFours(half, rows, column));
  }
}

// As TransposeRows; returns how many columns it has done.
template <class T>
HWY_INLINE int TransposeFours(const T* const* rows, int columns, float scale, float* to,
                              ptrdiff_t stride) {
  const hn::RepartitionToWide<hn::RebindToUnsigned<FloatTag>> pairs;
  const Vector factor = hn::Set(kFloats, scale);
  int i = 0;
  for (; i + 4 <= columns; i += 4) {
    const Vector a = hn::Mul(factor, LoadFours(kFloats, rows + 0, i));
    const Vector b = hn::Mul(factor, LoadFours(kFloats, rows + 1, i));
    const Vector c = hn::Mul(factor, LoadFours(kFloats, rows + 2, i));
    const Vector d = hn::Mul(factor, LoadFours(kFloats, rows + 3, i));
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

// to[i * stride + lane] = scale * rows[lane][i] for one vector of rows.
template <class T>
HWY_INLINE void TransposeRows(const T* const* rows, int columns, float scale, float* to,
                              ptrdiff_t stride) {
  int i = 0;
#if HWY_TARGET != HWY_SCALAR
  i = TransposeFours(rows, columns, scale, to, stride);
#endif
  for (; i < columns; ++i) {
    for (int lane = 0; lane < kLanes; ++lane) to[i * stride + lane] = scale * to_f32(rows[lane][i]);
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

// ------------------------------------------------------------------ one work item

struct Rows {
  const float* first;
  ptrdiff_t stride;
};

// Offsets into a thread's workspace, in floats; every part is a whole number of cache lines.
struct Layout {
  explicit Layout(int head_size) {
    const auto padded = static_cast<size_t>((head_size + kLanes - 1) / kLanes * kLanes);
    const size_t chunk = kFlashChunkQueries;
    queries = take(chunk * static_cast<size_t>(head_size));
    keys = take(kMaxTileKeys * padded);
    values = take(kMaxTileKeys * padded);
    scores = take(kMaxTileKeys * kBlockQueries);
    output = take(chunk * padded);
    maximum = take(chunk);
    sum = take(chunk);
    rescale = take(kBlockQueries);
    tile_maximum = take(kBlockQueries);
  }
  size_t take(size_t floats) {
    const size_t begin = total;
    total += (floats + 15) / 16 * 16;
    return begin;
  }
  size_t queries, keys, values, scores, output, maximum, sum, rescale, tile_maximum;
  size_t total = 0;
};

template <class T>
class ItemRun {
 public:
  ItemRun(const FlashBatch& batch, const FlashItem& item, float* workspace)
      : batch_(batch),
        item_(item),
        layout_(batch.head_size),
        workspace_(workspace),
        head_size_(batch.head_size),
        vectors_((batch.head_size + kLanes - 1) / kLanes),
        panels_(vectors_, kMaxValueVectors),
        tiles_(item.tokens, kMaxTileKeys),
        query_end_(std::min(item.query_begin + kFlashChunkQueries, item.tokens)) {}

  void Run() {
    for (int g = 0; g < batch_.group; ++g) {
      const int head = item_.kv_head * batch_.group + g;
      PackQueries(head);
      const int64_t visible = batch_.causal ? query_end_ : item_.tokens;
      for (int64_t tile = 0; tile < tiles_.count() && tiles_.begin(tile) < visible; ++tile) {
        if (tile != loaded_tile_) LoadTile(tile);
        PlanPrefetch(head, tile);
        for (int64_t q = item_.query_begin; q < query_end_; q += kBlockQueries) {
          if (query_end_ - q > kLanes) {
            Block<2>(head, q, tile);
          } else {
            Block<1>(head, q, tile);
          }
        }
      }
    }
  }

 private:
  // Head `head`'s slice of the sequence's row `row`.
  T* Row(const FlashOperand& operand, int64_t head, int64_t row) const {
    return static_cast<T*>(operand.data) + (item_.first_token + row) * operand.row_stride +
           head * head_size_;
  }

  // Chooses what the blocks of this tile prefetch, a part each: the
  // next tile's keys and values, or the next head's, with its queries.
  void PlanPrefetch(int head, int64_t tile) {
    const bool next_tile =
        tile + 1 < tiles_.count() && (!batch_.causal || tiles_.begin(tile + 1) < query_end_);
    const bool next_head = !next_tile && head + 1 < batch_.kv_heads * batch_.group;
    next_head_ = next_tile ? head : head + 1;
    next_first_key_ = next_tile ? tiles_.begin(tile + 1) : 0;
    next_keys_ = next_tile ? tiles_.size(tile + 1) : next_head ? tiles_.size(0) : 0;
    next_queries_ = next_head ? query_end_ - item_.query_begin : 0;
    const int64_t blocks = (query_end_ - item_.query_begin + kBlockQueries - 1) / kBlockQueries;
    const int64_t rows = std::max(next_keys_, next_queries_);
    prefetch_parts_ = Steps(rows, (rows + blocks - 1) / blocks);
    prefetch_part_ = 0;
  }

  // A head's rows lie a whole packed row apart, which no hardware prefetcher follows. In one burst
  // they would stall for want of line fill buffers.
  void PrefetchPart() {
    if (prefetch_part_ == prefetch_parts_.count()) return;
    const int64_t begin = prefetch_parts_.begin(prefetch_part_);
    const int64_t end = begin + prefetch_parts_.size(prefetch_part_);
    ++prefetch_part_;
    const int kv_head = next_head_ / batch_.group;
    for (int64_t row = begin; row < end; ++row) {
      if (row < next_keys_) {
        PrefetchRow(Row(batch_.k, kv_head, next_first_key_ + row));
        PrefetchRow(Row(batch_.v, kv_head, next_first_key_ + row));
      }
      if (row < next_queries_) PrefetchRow(Row(batch_.q, next_head_, item_.query_begin + row));
    }
  }

  void PrefetchRow(const T* row) const {
    constexpr int kLineElements = static_cast<int>(64 / sizeof(T));
    for (int i = 0; i < head_size_; i += kLineElements) hwy::Prefetch(row + i);
  }

  float* BlockQueries(int64_t query) const {
    return workspace_ + layout_.queries + (query - item_.query_begin) * head_size_;
  }

  void PackQueries(int head) {
    constexpr float kLog2E = 1.44269504f;
    for (int64_t q = item_.query_begin; q < query_end_; q += kBlockQueries) {
      const int width = query_end_ - q > kLanes ? 2 * kLanes : kLanes;
      for (int first = 0; first < width; first += kLanes) {
        const T* rows[kLanes];  // lanes past the end repeat the last query
        for (int lane = 0; lane < kLanes; ++lane) {
          rows[lane] = Row(batch_.q, head, std::min(q + first + lane, query_end_ - 1));
        }
        TransposeRows(rows, head_size_, batch_.scale * kLog2E, BlockQueries(q) + first, width);
      }
    }
  }

  // f32 rows can be used where they lie, if whole vectors cover them. A copy pays off where they
  // are read often: their distance makes them share few sets of L1.
  bool UsesRowsInPlace() const {
    return std::is_same_v<T, float> && head_size_ % kLanes == 0 &&
           item_.tokens <= kMaxTokensInPlace;
  }

  void LoadTile(int64_t tile) {
    loaded_tile_ = tile;
    if (UsesRowsInPlace()) return;
    const int64_t first = tiles_.begin(tile);
    const int64_t keys = tiles_.size(tile);
    WidenRows(Row(batch_.k, item_.kv_head, first), batch_.k.row_stride, keys, head_size_, 0,
              vectors_, workspace_ + layout_.keys);
    for (int64_t panel = 0; panel < panels_.count(); ++panel) {
      const int64_t column = panels_.begin(panel) * kLanes;
      WidenRows(Row(batch_.v, item_.kv_head, first), batch_.v.row_stride, keys, head_size_, column,
                panels_.size(panel), workspace_ + layout_.values + column * kMaxTileKeys);
    }
  }

  // The tile's rows of K.
  Rows Keys() const {
    if constexpr (std::is_same_v<T, float>) {
      if (UsesRowsInPlace()) return {Row(batch_.k, item_.kv_head, 0), batch_.k.row_stride};
    }
    return {workspace_ + layout_.keys, vectors_ * kLanes};
  }

  // The tile's rows of V, from a panel's first column on.
  Rows Panel(int64_t panel) const {
    const int64_t column = panels_.begin(panel) * kLanes;
    if constexpr (std::is_same_v<T, float>) {
      if (UsesRowsInPlace()) {
        return {Row(batch_.v, item_.kv_head, 0) + column, batch_.v.row_stride};
      }
    }
    return {workspace_ + layout_.values + column * kMaxTileKeys, panels_.size(panel) * kLanes};
  }

  // Queries [q, q + kVectors * kLanes) against one tile of keys.
  template <int kVectors>
  void Block(int head, int64_t q, int64_t tile) {
    const int64_t end = std::min(q + kVectors * kLanes, query_end_);
    const int64_t visible = batch_.causal ? end : item_.tokens;
    const int64_t first_key = tiles_.begin(tile);
    const int64_t keys = std::min(tiles_.size(tile), visible - first_key);
    if (keys <= 0) return;
    const int64_t local = q - item_.query_begin;
    const SoftmaxState state{workspace_ + layout_.maximum + local, workspace_ + layout_.sum + local,
                             workspace_ + layout_.rescale};
    const Rows keys_of_tile = Keys();
    ScoreTile scores;
    scores.queries = BlockQueries(q);
    scores.keys = keys_of_tile.first;
    scores.key_stride = keys_of_tile.stride;
    scores.head_size = head_size_;
    scores.diagonal = batch_.causal ? q - first_key : std::numeric_limits<int64_t>::max();
    scores.scores = workspace_ + layout_.scores;
    scores.maximum = workspace_ + layout_.tile_maximum;
    PrefetchPart();
    Scores<kVectors>(scores, keys);
    Softmax<kVectors>(scores.scores, keys, scores.maximum, tile == 0 ? Tile::kFirst : Tile::kLater,
                      state);
    const bool last = first_key + keys == visible;
    if (last) {
      WDE_UNROLLED
      for (int v = 0; v < kVectors; ++v) {
        float* sum = state.sum + v * kLanes;
        hn::Store(hn::Div(hn::Set(kFloats, 1.0f), hn::Load(kFloats, sum)), kFloats, sum);
      }
    }
    BlockValues(head, q, end, kVectors * kLanes, keys, tile > 0 ? state.rescale : nullptr,
                last ? state.sum : nullptr);
  }

  void BlockValues(int head, int64_t q, int64_t end, int width, int64_t keys, const float* rescale,
                   const float* inverse_sum) {
    const ptrdiff_t padded = vectors_ * kLanes;
    float* before = workspace_ + layout_.output + (q - item_.query_begin) * padded;
    const bool direct = inverse_sum != nullptr && std::is_same_v<T, float> && padded == head_size_;
    for (int64_t panel = 0; panel < panels_.count(); ++panel) {
      const int64_t column = panels_.begin(panel) * kLanes;
      const Rows values = Panel(panel);
      ValueTile tile;
      tile.probabilities = workspace_ + layout_.scores;
      tile.width = width;
      tile.values = values.first;
      tile.value_stride = values.stride;
      tile.keys = keys;
      tile.rescale = rescale;
      tile.before = before + column;
      tile.before_stride = padded;
      tile.inverse_sum = inverse_sum;
      tile.output = before + column;
      tile.output_stride = padded;
      if constexpr (std::is_same_v<T, float>) {
        if (direct) {
          tile.output = Row(batch_.out, head, q) + column;
          tile.output_stride = batch_.out.row_stride;
        }
      }
      Values(tile, end - q, panels_.size(panel));
    }
    if (inverse_sum != nullptr && !direct) StoreRows(head, q, end, before);
  }

  void StoreRows(int head, int64_t q, int64_t end, const float* rows) {
    for (; q < end; ++q) {
      T* out = Row(batch_.out, head, q);
      int column = 0;
      for (; column + kLanes <= head_size_; column += kLanes) {
        StoreF32(hn::Load(kFloats, rows + column), kFloats, out + column);
      }
      if (column < head_size_) {
        StoreF32N(hn::Load(kFloats, rows + column), kFloats, out + column,
                  static_cast<size_t>(head_size_ - column));
      }
      rows += vectors_ * kLanes;
    }
  }

  const FlashBatch& batch_;
  const FlashItem& item_;
  const Layout layout_;
  float* const workspace_;
  const int head_size_;
  const int vectors_;   // of a row of K or V, padded
  const Steps panels_;  // of vectors of V
  const Steps tiles_;   // of keys
  const int64_t query_end_;
  int64_t loaded_tile_ = -1;
  int next_head_ = 0;
  int64_t next_first_key_ = 0, next_keys_ = 0, next_queries_ = 0;
  Steps prefetch_parts_{0, 1};
  int64_t prefetch_part_ = 0;
};

size_t WorkspaceBytes(int head_size) { return Layout(head_size).total * sizeof(float); }

void Run(const FlashBatch& batch, const FlashItem& item, void* workspace) {
  float* floats = static_cast<float*>(workspace);
  if (batch.dtype == DType::kBF16) {
    ItemRun<bf16>(batch, item, floats).Run();
  } else {
    ItemRun<float>(batch, item, floats).Run();
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace wde::attention
HWY_AFTER_NAMESPACE();
#undef WDE_UNROLLED

#if HWY_ONCE
namespace wde::attention {
namespace {

constexpr FlashKernel kKernels[] = {
#if HWY_TARGETS & HWY_AVX3
    {"avx512", N_AVX3::WorkspaceBytes, N_AVX3::Run},
#endif
#if HWY_TARGETS & HWY_AVX2
    {"avx2", N_AVX2::WorkspaceBytes, N_AVX2::Run},
#endif
#if HWY_TARGETS & HWY_NEON
    {"portable", N_NEON::WorkspaceBytes, N_NEON::Run},
#endif
#if HWY_TARGETS & HWY_EMU128
    {"portable", N_EMU128::WorkspaceBytes, N_EMU128::Run},
#elif HWY_TARGETS & HWY_SCALAR
    {"portable", N_SCALAR::WorkspaceBytes, N_SCALAR::Run},
#endif
};

}  // namespace

std::span<const FlashKernel> flash_kernels() { return kKernels; }

}  // namespace wde::attention
#endif  // HWY_ONCE
