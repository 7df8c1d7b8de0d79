// One chunk of queries and the keys that they see: its keys and values, tile by tile, in the form
// that the register tiles read, and tables by distance laid out for it. A Highway "-inl" header, as
// flash_tiles-inl.h.

#if defined(WDE_ATTENTION_CPU_FLASH_CHUNK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_ATTENTION_CPU_FLASH_CHUNK_INL_H_
#undef WDE_ATTENTION_CPU_FLASH_CHUNK_INL_H_
#else
#define WDE_ATTENTION_CPU_FLASH_CHUNK_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "attention/cpu/flash_kernel.h"
#include "attention/cpu/flash_packing-inl.h"
#include "attention/cpu/flash_tiles-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace wde::attention {
namespace HWY_NAMESPACE {

// A tile of K or V (32 KiB at head size 64) and its scores stay within reach of L1.
constexpr int64_t kMaxTileKeys = 128;
constexpr int64_t kMaxTokensInPlace = 32;  // at most kMaxTileKeys
constexpr int kBlockVectors = 2;
constexpr int kBlockQueries = kBlockVectors * kLanes;
// A sequence is cut between blocks; one that others continue is copied.
static_assert(kQueryBlock % kBlockQueries == 0 && kQueryBlock >= kMaxTokensInPlace);

constexpr int64_t RoundUp(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

// Carves a thread's workspace into parts, each a whole number of cache lines; of a null workspace,
// only counts.
class Carver {
 public:
  explicit Carver(void* workspace) : workspace_(static_cast<std::byte*>(workspace)) {}
  template <class Element>
  Element* take(int64_t count) {
    const size_t begin = bytes_;
    bytes_ += (static_cast<size_t>(count) * sizeof(Element) + 63) / 64 * 64;
    return workspace_ == nullptr ? nullptr : reinterpret_cast<Element*>(workspace_ + begin);
  }
  size_t bytes() const { return bytes_; }

 private:
  std::byte* workspace_;
  size_t bytes_ = 0;
};

// The queries of a work item and the keys that they see, by tiles: all as long as can be where no
// query sees a later key, so that those behind it make no difference to it; else of equal length.
class Chunk {
 public:
  // Tiles begin where a group of keys (Dot::kGroup) does.
  Chunk(const FlashBatch& batch, const FlashItem& item, int key_group)
      : tokens_(item.sequence.tokens),
        key_count_(item.sequence.keys),
        left_(std::min(batch.window_left, tokens_)),
        right_(std::min(batch.window_right, tokens_)),
        key_group_(key_group),
        queries_{item.query_begin, item.query_end},
        keys_(Visible(queries_)),
        tiles_(right_ == 0 ? RoundUp(tokens_, kMaxTileKeys) : tokens_, kMaxTileKeys),
        first_tile_(tiles_.step_of(keys_.begin)),
        end_tile_(tiles_.step_of(keys_.end - 1) + 1) {}

  const Range& queries() const { return queries_; }
  int64_t first_tile() const { return first_tile_; }
  int64_t end_tile() const { return end_tile_; }
  int64_t tile_begin(int64_t tile) const { return tiles_.begin(tile); }

  // Keys that any of the queries sees.
  Range Visible(const Range& queries) const {
    return {std::max<int64_t>(queries.begin - left_, 0),
            std::min(queries.end + right_, key_count_)};
  }
  // Rows of a tile that any of the queries sees, from the beginning of a group on.
  Range RowsOf(int64_t tile, const Range& queries) const {
    const Range visible = Visible(queries);
    const int64_t first = tiles_.begin(tile);
    const int64_t begin = std::max<int64_t>(visible.begin - first, 0);
    return {begin - begin % key_group_, std::min(visible.end - first, tiles_.size(tile))};
  }
  // For lanes from `query` on and rows from `key` on.
  Band BandOf(int64_t query, int64_t key) const {
    return {.lower = query - left_ - key, .upper = query + right_ - key};
  }

  // The distances i - j of a lane's query and a visible key, lanes past the last query and the rest
  // of a key's group included.
  int64_t FirstDistance() const { return queries_.begin - (keys_.end - 1); }
  int64_t Distances() const {
    const int64_t end = queries_.begin + RoundUp(queries_.end - queries_.begin, kBlockQueries);
    return end - (keys_.begin - (key_group_ - 1)) - FirstDistance();
  }
  static int64_t MaxDistances(int64_t max_tokens) {
    return kFlashChunkQueries + max_tokens + kBlockQueries;
  }
  // Those of pairs that are seen.
  Range SeenDistances() const {
    return {std::max(FirstDistance(), -right_),
            std::min(queries_.end - 1 - keys_.begin, left_) + 1};
  }

 private:
  int64_t tokens_, key_count_, left_, right_;
  int key_group_;
  Range queries_, keys_;
  Steps tiles_;
  int64_t first_tile_, end_tile_;
};

// to[d - FirstDistance()] = the row's element of distance d, for all of the chunk's distances; that
// of the nearest which is seen, where it is not.
template <class Element>
void LayByDistance(const Chunk& chunk, const Element* row, int64_t radius, Element* to) {
  const Range seen = chunk.SeenDistances();
  const int64_t least = std::clamp(seen.begin, -radius, radius);
  const int64_t most = std::clamp(seen.end - 1, -radius, radius);
  const int64_t first = chunk.FirstDistance();
  const int64_t count = chunk.Distances();
  for (int64_t i = 0; i < count; ++i) to[i] = row[radius + std::clamp(first + i, least, most)];
}

// One key/value head's keys and values, a tile at a time, of rows of T, multiplied as Dot does.
template <class T, class Dot>
class KeyValueTiles {
  using Element = typename Dot::Element;

 public:
  KeyValueTiles(const FlashBatch& batch, int64_t tokens, Carver& carver)
      : head_size_(batch.head_size),
        vectors_((batch.head_size + kLanes - 1) / kLanes),
        panels_(vectors_, kMaxValueVectors),
        in_place_(std::is_same_v<T, Element> && tokens <= kMaxTokensInPlace),
        keys_(carver.take<float>(kMaxTileKeys * vectors_ * kLanes)),
        values_(carver.take<float>(kMaxTileKeys * vectors_ * kLanes)) {}

  // Rows [rows.begin, rows.end) of the tile whose row 0 is at `keys` and `values`, which must stay.
  // A tile's rows may be loaded in several parts, unless it is read in place.
  void Load(const T* keys, ptrdiff_t key_stride, const T* values, ptrdiff_t value_stride,
            const Range& rows) {
    LoadKeys(keys, key_stride, rows);
    source_ = values;
    source_stride_ = value_stride;
    if (ValuesInPlace()) return;
    for (int64_t panel = 0; panel < panels_.count(); ++panel) CopyValues(rows, panel);
  }

  // The tile's rows of K, from row 0 on.
  const Rows<Element>& keys() const { return tile_keys_; }
  const Steps& panels() const { return panels_; }  // of vectors of V
  int vectors() const { return vectors_; }         // of a row of K or V, padded

  // The tile's groups of rows of V, from a panel's first column on.
  Rows<Element> Panel(int64_t panel) const {
    if constexpr (std::is_same_v<T, Element>) {
      if (ValuesInPlace()) return {source_ + panels_.begin(panel) * kLanes, source_stride_};
    }
    return {ValuesCopy(panel), panels_.size(panel) * kLanes * Dot::kGroup};
  }

 private:
  // Rows of V can be used where they lie if they are multiplied one by one, in whole vectors. A
  // copy pays off where they are read often: their distance makes them share few sets of L1.
  bool ValuesInPlace() const { return in_place_ && Dot::kGroup == 1 && head_size_ % kLanes == 0; }

  Element* ValuesCopy(int64_t panel) const {
    return reinterpret_cast<Element*>(values_) + panels_.begin(panel) * kLanes * kMaxTileKeys;
  }

  void LoadKeys(const T* keys, ptrdiff_t stride, const Range& rows) {
    if constexpr (std::is_same_v<T, Element>) {
      if (in_place_) {
        tile_keys_ = {keys, stride};
        return;
      }
    }
    tile_keys_ = CopyRows<Dot>(keys, stride, rows, head_size_, reinterpret_cast<Element*>(keys_));
  }

  void CopyValues(const Range& rows, int64_t panel) {
    const int64_t column = panels_.begin(panel) * kLanes;
    const int64_t width = panels_.size(panel) * kLanes;
    const T* from = source_ + rows.begin * source_stride_;
    Element* to = ValuesCopy(panel) + rows.begin * width;
    if constexpr (Dot::kGroup == 1) {
      WidenRows(from, source_stride_, rows.end - rows.begin, head_size_, column,
                panels_.size(panel), to);
    } else {
      InterleaveRows(from, source_stride_, rows.end - rows.begin, head_size_, column,
                     panels_.size(panel), to);
    }
  }

  const int head_size_;
  const int vectors_;
  const Steps panels_;
  const bool in_place_;
  float* const keys_;
  float* const values_;
  Rows<Element> tile_keys_;
  const T* source_ = nullptr;  // rows of V
  ptrdiff_t source_stride_ = 0;
};

}  // namespace HWY_NAMESPACE
}  // namespace wde::attention
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
