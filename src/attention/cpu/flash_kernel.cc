// Flash attention (Dao et al. 2022, Milakov and Gimelshein 2018 for the running softmax), compiled
// once per instruction set.
//
// Lanes are queries: for W queries (one or two vectors) the scores are kept transposed,
// [key][query], so that scores need no packing of K (its elements are broadcast), the softmax runs
// down the lanes without a horizontal sum, and P V broadcasts adjacent probabilities against rows
// of V. Only Q is transposed. Probabilities are 2^(scale log2(e) (s - max)).
//
// Where the CPU multiplies pairs of bf16, these stay as they are: K is read in place or copied, Q
// is transposed by pairs, V is interleaved by pairs of keys, and probabilities are rounded to bf16.
// Elsewhere bf16 is widened to f32 on the way.
//
// Keys come in tiles of at most kMaxTileKeys, of a size that depends on the sequence's length
// alone. A sequence of one tile needs no rescaling and writes its output straight from registers.
#include "attention/cpu/flash_kernel.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "ops/cpu/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/cpu/flash_kernel.cc"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "attention/cpu/flash_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace wde::attention {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using ops::HWY_NAMESPACE::StoreF32;
using ops::HWY_NAMESPACE::StoreF32N;

// A tile of K or V (32 KiB at head size 64) and its scores stay within reach of L1.
constexpr int64_t kMaxTileKeys = 128;
constexpr int64_t kMaxTokensInPlace = 32;  // at most kMaxTileKeys
constexpr int kBlockVectors = 2;
constexpr int kBlockQueries = kBlockVectors * kLanes;

// ------------------------------------------------------------------ one work item

template <class Element>
struct Rows {
  const Element* first;
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

// Of rows of T, multiplied as Dot does.
template <class T, class Dot>
class ItemRun {
  using Element = typename Dot::Element;

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
    for (int64_t q = item_.query_begin; q < query_end_; q += kBlockQueries) {
      const int width = query_end_ - q > kLanes ? 2 * kLanes : kLanes;
      for (int first = 0; first < width; first += kLanes) {
        const T* rows[kLanes];  // lanes past the end repeat the last query
        for (int lane = 0; lane < kLanes; ++lane) {
          rows[lane] = Row(batch_.q, head, std::min(q + first + lane, query_end_ - 1));
        }
        TransposeRows<Dot>(rows, groups(), BlockQueries(q) + first, width);
      }
    }
  }

  int groups() const { return head_size_ / Dot::kGroup; }

  // A copy pays off where rows are read often: their distance makes them share few sets of L1.
  bool UsesKeysInPlace() const {
    return std::is_same_v<T, Element> && item_.tokens <= kMaxTokensInPlace;
  }
  // Rows of V can be used where they lie if they are multiplied one by one, in whole vectors.
  bool UsesValuesInPlace() const {
    return UsesKeysInPlace() && Dot::kGroup == 1 && head_size_ % kLanes == 0;
  }

  Element* KeysCopy() const { return reinterpret_cast<Element*>(workspace_ + layout_.keys); }
  // From a panel's first column on.
  Element* ValuesCopy(int64_t panel) const {
    return reinterpret_cast<Element*>(workspace_ + layout_.values) +
           panels_.begin(panel) * kLanes * kMaxTileKeys;
  }

  void LoadTile(int64_t tile) {
    loaded_tile_ = tile;
    const int64_t first = tiles_.begin(tile);
    const int64_t keys = tiles_.size(tile);
    if (!UsesKeysInPlace()) CopyKeys(Row(batch_.k, item_.kv_head, first), keys);
    if (UsesValuesInPlace()) return;
    for (int64_t panel = 0; panel < panels_.count(); ++panel) {
      CopyValues(Row(batch_.v, item_.kv_head, first), keys, panel);
    }
  }

  void CopyKeys(const T* rows, int64_t keys) {
    if constexpr (Dot::kGroup == 1) {
      WidenRows(rows, batch_.k.row_stride, keys, head_size_, 0, vectors_, KeysCopy());
    } else {
      for (int64_t key = 0; key < keys; ++key) {
        std::copy_n(rows + key * batch_.k.row_stride, head_size_, KeysCopy() + key * head_size_);
      }
    }
  }

  void CopyValues(const T* rows, int64_t keys, int64_t panel) {
    const int64_t column = panels_.begin(panel) * kLanes;
    if constexpr (Dot::kGroup == 1) {
      WidenRows(rows, batch_.v.row_stride, keys, head_size_, column, panels_.size(panel),
                ValuesCopy(panel));
    } else {
      InterleaveRows(rows, batch_.v.row_stride, keys, head_size_, column, panels_.size(panel),
                     ValuesCopy(panel));
    }
  }

  // The tile's rows of K.
  Rows<Element> Keys() const {
    if constexpr (std::is_same_v<T, Element>) {
      if (UsesKeysInPlace()) return {Row(batch_.k, item_.kv_head, 0), batch_.k.row_stride};
    }
    return {KeysCopy(), Dot::kGroup == 1 ? vectors_ * kLanes : head_size_};
  }

  // The tile's groups of rows of V, from a panel's first column on.
  Rows<Element> Panel(int64_t panel) const {
    if constexpr (std::is_same_v<T, Element>) {
      if (UsesValuesInPlace()) {
        return {Row(batch_.v, item_.kv_head, 0) + panels_.begin(panel) * kLanes,
                batch_.v.row_stride};
      }
    }
    return {ValuesCopy(panel), panels_.size(panel) * kLanes * Dot::kGroup};
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
    const Rows<Element> keys_of_tile = Keys();
    ScoreTile<Dot> scores;
    scores.queries = reinterpret_cast<const Element*>(BlockQueries(q));
    scores.keys = keys_of_tile.first;
    scores.key_stride = keys_of_tile.stride;
    scores.groups = groups();
    scores.diagonal = batch_.causal ? q - first_key : std::numeric_limits<int64_t>::max();
    scores.scores = workspace_ + layout_.scores;
    scores.maximum = workspace_ + layout_.tile_maximum;
    PrefetchPart();
    Scores<Dot, kVectors>(scores, keys);
    constexpr float kLog2E = 1.44269504f;
    Softmax<Dot, kVectors>(scores.scores, keys, batch_.scale * kLog2E, scores.maximum,
                           tile == 0 ? Tile::kFirst : Tile::kLater, state);
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
      const Rows<Element> values = Panel(panel);
      ValueTile<Dot> tile;
      tile.probabilities = reinterpret_cast<const Element*>(workspace_ + layout_.scores);
      tile.width = width;
      tile.values = values.first;
      tile.value_stride = values.stride;
      tile.groups = (keys + Dot::kGroup - 1) / Dot::kGroup;
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
  if (batch.dtype == DType::kF32) return ItemRun<float, F32Dot>(batch, item, floats).Run();
#if HWY_TARGET == HWY_AVX3_DL
  using ops::HWY_NAMESPACE::Bf16Dot;
  if (batch.head_size % Bf16Dot::kGroup == 0) {
    return ItemRun<bf16, Bf16Dot>(batch, item, floats).Run();
  }
#endif
  ItemRun<bf16, F32Dot>(batch, item, floats).Run();
}

}  // namespace HWY_NAMESPACE
}  // namespace wde::attention
HWY_AFTER_NAMESPACE();
#undef WDE_UNROLLED

#if HWY_ONCE
namespace wde::attention {
namespace {

constexpr FlashKernel kKernels[] = {
#if HWY_TARGETS & HWY_AVX3_DL
    {"avx512_bf16", N_AVX3_DL::WorkspaceBytes, N_AVX3_DL::Run},
#endif
#if HWY_TARGETS & HWY_AVX3
    {"avx512_vnni", N_AVX3::WorkspaceBytes, N_AVX3::Run},
    {"avx512", N_AVX3::WorkspaceBytes, N_AVX3::Run},
#endif
#if HWY_TARGETS & HWY_AVX2
    {"avx2", N_AVX2::WorkspaceBytes, N_AVX2::Run},
#endif
#if HWY_TARGETS & HWY_NEON
    {"neon_bf16", N_NEON::WorkspaceBytes, N_NEON::Run},
    {"neon_dot", N_NEON::WorkspaceBytes, N_NEON::Run},
    {"neon", N_NEON::WorkspaceBytes, N_NEON::Run},
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
