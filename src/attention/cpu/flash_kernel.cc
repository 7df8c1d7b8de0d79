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
// alone; those that no query of a block sees are skipped. A sequence of one tile needs no rescaling
// and writes its output straight from registers. Whatever else a score may have is added to a
// tile's scores before its softmax.
#include "attention/cpu/flash_kernel.h"

#include <algorithm>
#include <type_traits>

#include "ops/cpu/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attention/cpu/flash_kernel.cc"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "attention/cpu/flash_chunk-inl.h"
#include "attention/cpu/flash_packing-inl.h"
#include "attention/cpu/flash_positions-inl.h"
#include "attention/cpu/flash_terms-inl.h"
#include "attention/cpu/flash_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace wde::attention {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using ops::HWY_NAMESPACE::StoreF32;
using ops::HWY_NAMESPACE::StoreF32N;

// Parts of a thread's workspace.
struct Scratch {
  Scratch(const FlashBatch& batch, int64_t tokens, Carver& carver) {
    const int64_t padded = RoundUp(batch.head_size, kLanes);
    queries = carver.take<float>(kFlashChunkQueries * batch.head_size);
    scores = carver.take<float>(kMaxTileKeys * kBlockQueries);
    output = carver.take<float>(kFlashChunkQueries * padded);
    maximum = carver.take<float>(kFlashChunkQueries);
    sum = carver.take<float>(kFlashChunkQueries);
    rescale = carver.take<float>(kBlockQueries);
    tile_maximum = carver.take<float>(kBlockQueries);
    if (batch.distance_bias.radius >= 0) bias = carver.take<float>(Chunk::MaxDistances(tokens));
  }
  float *queries, *scores, *output, *maximum, *sum, *rescale, *tile_maximum;
  float* bias = nullptr;  // by distance
};

// Of rows of T, multiplied as Dot does.
template <class T, class Dot>
class ItemRun {
  using Element = typename Dot::Element;

 public:
  ItemRun(const FlashBatch& batch, const FlashItem& item, Carver carver)
      : batch_(batch),
        item_(item),
        scratch_(batch, item.sequence.tokens, carver),
        chunk_(batch, item, Dot::kGroup),
        tiles_(batch, item.sequence.tokens, carver),
        positions_(batch, item.sequence.tokens, carver),
        query_end_(chunk_.queries().end),
        exponent_scale_(kLog2E * (TermsScale() ? 1.0f : batch.scale)) {}

  void Run() {
    if (positions_) positions_.StartChunk(chunk_);
    for (int g = 0; g < batch_.group; ++g) {
      const int head = item_.kv_head * batch_.group + g;
      StartHead(head);
      for (int64_t tile = chunk_.first_tile(); tile < chunk_.end_tile(); ++tile) {
        StartTile(head, tile);
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
  static constexpr float kLog2E = 1.44269504f;

  // Whether ScoresOf() gives scaled scores; else the exponent takes the scale, too.
  bool TermsScale() const { return batch_.distance_bias.radius >= 0 || batch_.softcap > 0; }

  // Head `head`'s slice of the output's row of query `query`.
  T* OutRow(int64_t head, int64_t query) const {
    const int64_t row = item_.sequence.row(query) - batch_.first_out_row;
    return static_cast<T*>(batch_.out.data) + row * batch_.out.row_stride + head * batch_.head_size;
  }

  // Head `head`'s slice of the sequence's row `row`.
  T* Row(const FlashOperand& operand, int64_t head, int64_t row) const {
    return static_cast<T*>(operand.data) + item_.sequence.row(row) * operand.row_stride +
           head * batch_.head_size;
  }

  void StartHead(int head) {
    PackQueries(head);
    if (positions_) positions_.StartHead(head);
    const FlashDistanceTable<float>& bias = batch_.distance_bias;
    if (bias.radius < 0) return;
    LayByDistance(chunk_, bias.data + head * bias.row_stride, bias.radius, scratch_.bias);
  }

  void StartTile(int head, int64_t tile) {
    const int64_t first = chunk_.tile_begin(tile);
    const Range rows = chunk_.RowsOf(tile, chunk_.queries());
    if (tile != loaded_tile_) {
      loaded_tile_ = tile;
      const int64_t own = std::clamp(item_.sequence.shared - first, rows.begin, rows.end);
      LoadRows(first, {rows.begin, own});
      LoadRows(first, {own, rows.end});
    }
    if (positions_) positions_.StartTile(first, tiles_.keys(), rows);
    PlanPrefetch(head, tile);
  }

  // Those of the tile that begins with key `first`, all shared or none.
  void LoadRows(int64_t first, const Range& rows) {
    if (rows.begin == rows.end) return;
    const FlashOperand& k = batch_.k;
    const FlashOperand& v = batch_.v;
    tiles_.Load(Row(k, item_.kv_head, first + rows.begin) - rows.begin * k.row_stride, k.row_stride,
                Row(v, item_.kv_head, first + rows.begin) - rows.begin * v.row_stride, v.row_stride,
                rows);
  }

  // Chooses what the blocks of this tile prefetch, a part each: the
  // next tile's keys and values, or the next head's, with its queries.
  void PlanPrefetch(int head, int64_t tile) {
    const bool next_tile = tile + 1 < chunk_.end_tile();
    const bool next_head = !next_tile && head + 1 < batch_.kv_heads * batch_.group;
    next_head_ = next_tile ? head : head + 1;
    next_keys_ = {};
    if (next_tile || next_head) {
      const int64_t next = next_tile ? tile + 1 : chunk_.first_tile();
      const Range rows = chunk_.RowsOf(next, chunk_.queries());
      next_keys_ = {chunk_.tile_begin(next) + rows.begin, chunk_.tile_begin(next) + rows.end};
    }
    next_queries_ = next_head ? query_end_ - item_.query_begin : 0;
    const int64_t blocks = (query_end_ - item_.query_begin + kBlockQueries - 1) / kBlockQueries;
    const int64_t rows = std::max(next_keys_.end - next_keys_.begin, next_queries_);
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
      if (const int64_t key = next_keys_.begin + row; key < next_keys_.end) {
        PrefetchRow(Row(batch_.k, kv_head, key));
        PrefetchRow(Row(batch_.v, kv_head, key));
      }
      if (row < next_queries_) PrefetchRow(Row(batch_.q, next_head_, item_.query_begin + row));
    }
  }

  void PrefetchRow(const T* row) const {
    constexpr int kLineElements = static_cast<int>(64 / sizeof(T));
    for (int i = 0; i < batch_.head_size; i += kLineElements) hwy::Prefetch(row + i);
  }

  float* BlockQueries(int64_t query) const {
    return scratch_.queries + (query - item_.query_begin) * batch_.head_size;
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

  int groups() const { return batch_.head_size / Dot::kGroup; }

  // Queries [q, q + kVectors * kLanes) against one tile of keys.
  template <int kVectors>
  void Block(int head, int64_t q, int64_t tile) {
    const Range queries = {q, std::min(q + kVectors * kLanes, query_end_)};
    const Range rows = chunk_.RowsOf(tile, queries);
    if (rows.begin >= rows.end) return;
    const Range visible = chunk_.Visible(queries);
    const int64_t first = chunk_.tile_begin(tile);
    const bool is_first = visible.begin >= first;
    const bool is_last = first + rows.end == visible.end;
    const int64_t local = q - item_.query_begin;
    const SoftmaxState state{scratch_.maximum + local, scratch_.sum + local, scratch_.rescale};
    PrefetchPart();
    const ScoreBlock block = ScoresOf<kVectors>(q, first, rows);
    Softmax<Dot, kVectors>(block, exponent_scale_, is_first ? Tile::kFirst : Tile::kLater, state);
    if (is_last) {
      WDE_UNROLLED
      for (int v = 0; v < kVectors; ++v) {
        float* sum = state.sum + v * kLanes;
        hn::Store(hn::Div(hn::Set(kFloats, 1.0f), hn::Load(kFloats, sum)), kFloats, sum);
      }
    }
    BlockValues(head, queries, kVectors * kLanes, rows, is_first ? nullptr : state.rescale,
                is_last ? state.sum : nullptr);
  }

  // Of the queries from q on and rows `rows` of the tile that begins with key `first`.
  template <int kVectors>
  ScoreBlock ScoresOf(int64_t q, int64_t first, const Range& rows) {
    const auto* lanes = reinterpret_cast<const Element*>(BlockQueries(q));
    const Rows<Element> keys = tiles_.keys();
    const int64_t first_key = first + rows.begin;
    ScoreTile<Dot> tile;
    tile.product.lanes = lanes;
    tile.product.rows = {keys.first + rows.begin * keys.stride, keys.stride};
    tile.product.groups = groups();
    tile.block.scores = scratch_.scores;
    tile.block.keys = rows.end - rows.begin;
    tile.block.maximum = scratch_.tile_maximum;
    tile.block.band = chunk_.BandOf(q, first_key);
    Scores<Dot, kVectors>(tile);
    if (positions_) positions_.template Add<kVectors>(lanes, q, first, rows.begin, tile.block);
    float scale = batch_.scale;
    if (scratch_.bias != nullptr) {
      const float* bias = scratch_.bias + (q - first_key - chunk_.FirstDistance());
      ChangeScores<kVectors>(tile.block, DistanceBias{bias, scale});
      scale = 1;
    }
    if (batch_.softcap > 0) {
      ChangeScores<kVectors>(tile.block, SoftCap(batch_.softcap, scale));
      ChangeScores<kVectors>(tile.block, Hide{tile.block.band});
    }
    return tile.block;
  }

  // The block's scores have become probabilities, of the tile's rows `rows`.
  void BlockValues(int head, const Range& queries, int width, const Range& rows,
                   const float* rescale, const float* inverse_sum) {
    const ptrdiff_t padded = tiles_.vectors() * kLanes;
    float* before = scratch_.output + (queries.begin - item_.query_begin) * padded;
    const bool direct =
        inverse_sum != nullptr && std::is_same_v<T, float> && padded == batch_.head_size;
    const Steps& panels = tiles_.panels();
    for (int64_t panel = 0; panel < panels.count(); ++panel) {
      const int64_t column = panels.begin(panel) * kLanes;
      const Rows<Element> values = tiles_.Panel(panel);
      ValueTile<Dot> tile;
      tile.probabilities = reinterpret_cast<const Element*>(scratch_.scores);
      tile.width = width;
      tile.values = values.first + rows.begin / Dot::kGroup * values.stride;
      tile.value_stride = values.stride;
      tile.groups = (rows.end - rows.begin + Dot::kGroup - 1) / Dot::kGroup;
      tile.rescale = rescale;
      tile.before = before + column;
      tile.before_stride = padded;
      tile.inverse_sum = inverse_sum;
      tile.output = before + column;
      tile.output_stride = padded;
      if constexpr (std::is_same_v<T, float>) {
        if (direct) {
          tile.output = OutRow(head, queries.begin) + column;
          tile.output_stride = batch_.out.row_stride;
        }
      }
      Values(tile, queries.end - queries.begin, panels.size(panel));
    }
    if (inverse_sum != nullptr && !direct) StoreRows(head, queries, before);
  }

  void StoreRows(int head, const Range& queries, const float* rows) {
    const int head_size = batch_.head_size;
    for (int64_t q = queries.begin; q < queries.end; ++q) {
      T* out = OutRow(head, q);
      int column = 0;
      for (; column + kLanes <= head_size; column += kLanes) {
        StoreF32(hn::Load(kFloats, rows + column), kFloats, out + column);
      }
      if (column < head_size) {
        StoreF32N(hn::Load(kFloats, rows + column), kFloats, out + column,
                  static_cast<size_t>(head_size - column));
      }
      rows += tiles_.vectors() * kLanes;
    }
  }

  const FlashBatch& batch_;
  const FlashItem& item_;
  const Scratch scratch_;
  const Chunk chunk_;
  KeyValueTiles<T, Dot> tiles_;
  Positions<T, Dot> positions_;
  const int64_t query_end_;
  const float exponent_scale_;  // of scores as ScoresOf() leaves them
  int64_t loaded_tile_ = -1;
  int next_head_ = 0;
  Range next_keys_;
  int64_t next_queries_ = 0;
  Steps prefetch_parts_{0, 1};
  int64_t prefetch_part_ = 0;
};

// For any type of rows and of products: none takes more than f32's.
size_t WorkspaceBytes(const FlashBatch& batch, int64_t max_tokens) {
  Carver carver(nullptr);
  const Scratch scratch(batch, max_tokens, carver);
  const KeyValueTiles<float, F32Dot> tiles(batch, max_tokens, carver);
  const Positions<float, F32Dot> positions(batch, max_tokens, carver);
  return carver.bytes();
}

void Run(const FlashBatch& batch, const FlashItem& item, void* workspace) {
  const Carver carver(workspace);
  if (batch.dtype == DType::kF32) return ItemRun<float, F32Dot>(batch, item, carver).Run();
#if HWY_TARGET == HWY_AVX3_DL
  using ops::HWY_NAMESPACE::Bf16Dot;
  if (batch.head_size % Bf16Dot::kGroup == 0) {
    return ItemRun<bf16, Bf16Dot>(batch, item, carver).Run();
  }
#endif
  ItemRun<bf16, F32Dot>(batch, item, carver).Run();
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
