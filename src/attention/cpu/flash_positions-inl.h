// The position terms of disentangled attention (He et al. 2021) for one chunk of queries. As many
// pairs share a position, each product of a query or a key with a position is computed once, by the
// register tiles, and the terms (flash_terms-inl.h) pick theirs by distance:
//   content to position: q_i·PK[p] for a block of queries and the positions that a tile needs,
//     lanes are queries;
//   position to content: k_j·PQ[p] for a tile of keys and the positions that the chunk needs, lanes
//     are positions, so PQ is transposed as queries are.
// A Highway "-inl" header, as flash_tiles-inl.h.

#if defined(WDE_ATTENTION_CPU_FLASH_POSITIONS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_ATTENTION_CPU_FLASH_POSITIONS_INL_H_
#undef WDE_ATTENTION_CPU_FLASH_POSITIONS_INL_H_
#else
#define WDE_ATTENTION_CPU_FLASH_POSITIONS_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "attention/cpu/flash_chunk-inl.h"
#include "attention/cpu/flash_terms-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace wde::attention {
namespace HWY_NAMESPACE {

template <class T, class Dot>
class Positions {
  using Element = typename Dot::Element;

 public:
  Positions(const FlashBatch& batch, int64_t tokens, Carver& carver)
      : positions_(batch.positions), head_size_(batch.head_size) {
    if (positions_.count == 0) return;
    const int64_t panels = (positions_.count + kBlockQueries - 1) / kBlockQueries;
    const int64_t padded = RoundUp(head_size_, kLanes);
    rows_ = carver.take<int32_t>(Chunk::MaxDistances(tokens));
    if (positions_.has_keys) {
      keys_copy_ = carver.take<float>(positions_.count * padded);
      key_products_ = carver.take<float>(positions_.count * kBlockQueries);
    }
    if (positions_.has_queries) {
      panel_distances_ = carver.take<Range>(panels);
      queries_ = carver.take<float>(panels * kBlockQueries * head_size_);
      // Beside the last position, what a whole vector reads.
      query_products_stride_ = panels * kBlockQueries + kLanes;
      query_products_ = carver.take<float>(kMaxTileKeys * query_products_stride_);
    }
  }

  explicit operator bool() const { return positions_.count != 0; }

  // Once a chunk, which must stay.
  void StartChunk(const Chunk& chunk) {
    chunk_ = &chunk;
    LayByDistance(chunk, positions_.rows.data, positions_.rows.radius, rows_);
    FindOrder();
    const Range used = PositionsOf(0, chunk.Distances());
    first_ = used.begin;
    count_ = used.end - used.begin;
    if (positions_.has_queries) FindPanelDistances();
  }

  // Once a head, after StartChunk().
  void StartHead(int head) {
    if (positions_.has_keys) LoadKeys(head);
    if (positions_.has_queries) PackQueries(head);
  }

  // Once a head and tile, whose rows of K are `keys`, of which the chunk sees `rows`.
  void StartTile(int64_t tile_begin, const Rows<Element>& keys, const Range& rows) {
    if (!positions_.has_queries) return;
    const Range& queries = chunk_->queries();
    const int64_t first_distance = chunk_->FirstDistance();
    for (int64_t panel = 0; panel * kBlockQueries < count_; ++panel) {
      // Keys that are at one of the panel's distances from one of the queries, and the rest of
      // their groups: what is hidden must be a number, too.
      const Range distances = panel_distances_[panel];
      const int64_t least = distances.begin + first_distance;
      const int64_t most = distances.end - 1 + first_distance + (Dot::kGroup - 1);
      const int64_t begin = std::max(queries.begin - most - tile_begin, rows.begin);
      const int64_t end = std::min(queries.end - least - tile_begin, rows.end);
      if (begin >= end) continue;
      PlainProductTile<Dot> tile;
      tile.product.lanes = Panel(panel);
      tile.product.rows = {keys.first + begin * keys.stride, keys.stride};
      tile.product.groups = groups();
      tile.to = query_products_ + begin * query_products_stride_ + panel * kBlockQueries;
      tile.to_stride = query_products_stride_;
      Products<Dot, kBlockVectors>(tile, end - begin);
    }
  }

  // Adds the terms of the queries from `query` on, packed as `lanes`, and of the keys from row
  // `row` of the tile on.
  template <int kVectors>
  void Add(const Element* lanes, int64_t query, int64_t tile_begin, int64_t row,
           const ScoreBlock& block) {
    const int64_t distance = query - (tile_begin + row) - chunk_->FirstDistance();
    PositionRows rows = order_;
    rows.of = rows_ + distance;
    if (positions_.has_keys) {
      const float* products = MultiplyKeys<kVectors>(lanes, distance, block.keys);
      AddContentToPosition<kVectors>(block, {products, rows});
    }
    if (positions_.has_queries) {
      const float* products = query_products_ + row * query_products_stride_ - first_;
      ChangeScores<kVectors>(block, PositionToContent{products, query_products_stride_, rows});
    }
  }

 private:
  int groups() const { return head_size_ / Dot::kGroup; }
  const T* Row(const FlashOperand& operand, int head, int64_t row) const {
    return static_cast<const T*>(operand.data) + row * operand.row_stride +
           int64_t{head} * head_size_;
  }
  Element* Panel(int64_t panel) const {
    return reinterpret_cast<Element*>(queries_ + panel * kBlockQueries * groups());
  }

  // How the positions of neighbouring distances follow each other.
  void FindOrder() {
    const int64_t count = chunk_->Distances();
    order_ = {.consecutive_begin = rows_, .consecutive_end = rows_, .neighbours = true};
    const int32_t* begin = rows_;
    for (int64_t i = 1; i <= count; ++i) {
      const int32_t step = i == count ? 0 : rows_[i] - rows_[i - 1];
      order_.neighbours = order_.neighbours && (step == 0 || step == 1);
      if (step == 1) continue;
      if (rows_ + i - begin > order_.consecutive_end - order_.consecutive_begin) {
        order_.consecutive_begin = begin;
        order_.consecutive_end = rows_ + i;
      }
      begin = rows_ + i;
    }
  }

  // Those that occur at distances [begin, end), counted from the chunk's first.
  Range PositionsOf(int64_t begin, int64_t end) const {
    if (order_.neighbours) return {rows_[begin], int64_t{rows_[end - 1]} + 1};
    Range positions = {rows_[begin], rows_[begin]};
    for (int64_t i = begin; i < end; ++i) {
      positions.begin = std::min<int64_t>(positions.begin, rows_[i]);
      positions.end = std::max<int64_t>(positions.end, rows_[i]);
    }
    return {positions.begin, positions.end + 1};
  }

  // For each panel of positions, from which to which distance they occur.
  void FindPanelDistances() {
    const int64_t count = chunk_->Distances();
    for (int64_t panel = 0; panel * kBlockQueries < count_; ++panel) {
      panel_distances_[panel] = {count, 0};
    }
    const Range seen = chunk_->SeenDistances();
    for (int64_t i = seen.begin - chunk_->FirstDistance(); i < seen.end - chunk_->FirstDistance();
         ++i) {
      Range& distances = panel_distances_[(rows_[i] - first_) / kBlockQueries];
      distances.begin = std::min(distances.begin, i);
      distances.end = i + 1;
    }
  }

  void LoadKeys(int head) {
    const T* from = Row(positions_.keys, head, first_);
    keys_ = CopyRows<Dot>(from, positions_.keys.row_stride, {0, count_}, head_size_,
                          reinterpret_cast<Element*>(keys_copy_));
  }

  void PackQueries(int head) {
    for (int64_t first = 0; first < RoundUp(count_, kBlockQueries); first += kLanes) {
      const T* rows[kLanes];  // lanes past the end repeat the last position
      for (int lane = 0; lane < kLanes; ++lane) {
        const int64_t position = first_ + std::min(first + lane, count_ - 1);
        rows[lane] = Row(positions_.queries, head, position);
      }
      float* panel = reinterpret_cast<float*>(Panel(first / kBlockQueries));
      TransposeRows<Dot>(rows, groups(), panel + first % kBlockQueries, kBlockQueries);
    }
  }

  // Products of a block of queries with the positions of a block of `keys`, whose distance of row 0
  // and lane 0 is the `distance`th. Returns where the row of position 0 would be.
  template <int kVectors>
  const float* MultiplyKeys(const Element* lanes, int64_t distance, int64_t keys) {
    const Range used = PositionsOf(distance - (keys - 1), distance + kVectors * kLanes);
    PlainProductTile<Dot> tile;
    tile.product.lanes = lanes;
    tile.product.rows = {keys_.first + (used.begin - first_) * keys_.stride, keys_.stride};
    tile.product.groups = groups();
    tile.to = key_products_;
    tile.to_stride = kVectors * kLanes;
    Products<Dot, kVectors>(tile, used.end - used.begin);
    return key_products_ - used.begin * kVectors * kLanes;
  }

  const FlashPositions& positions_;
  const int head_size_;
  const Chunk* chunk_ = nullptr;
  int64_t first_ = 0, count_ = 0;  // positions that the chunk needs
  int32_t* rows_ = nullptr;        // of positions, by distance
  PositionRows order_ = {};
  Rows<Element> keys_;  // PK from position first_ on
  float* keys_copy_ = nullptr;
  float* key_products_ = nullptr;     // [positions of a block][W]
  Range* panel_distances_ = nullptr;  // of distances, counted from the first
  float* queries_ = nullptr;          // PQ from position first_ on, [panels][groups][W]
  float* query_products_ = nullptr;   // [keys of a tile][positions of the chunk]
  int64_t query_products_stride_ = 0;
};

}  // namespace HWY_NAMESPACE
}  // namespace wde::attention
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
