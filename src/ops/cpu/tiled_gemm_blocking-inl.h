// How the tiled product is cut for the caches. A Highway "-inl" header, as vector_math-inl.h.
// Inside out:
//   - A slice of k: its part of a panel stays in L1 while all tiles of the block use it, and they
//     prefetch the part that comes next. Sums go through scratch between slices, which changes no
//     bit.
//   - A stretch of k: its part of block_rows of x stays in L2 while panels pass: where it lies, or
//     in a copy widened to f32 or quantized row by row. Of short rows it is all of k; of long ones
//     it is a part, so that the block still has rows enough to share each panel that is read, and
//     the sums of a few panels wait in scratch, in L2 too, for the next stretch.

#if defined(WDE_OPS_CPU_TILED_GEMM_BLOCKING_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_OPS_CPU_TILED_GEMM_BLOCKING_INL_H_
#undef WDE_OPS_CPU_TILED_GEMM_BLOCKING_INL_H_
#else
#define WDE_OPS_CPU_TILED_GEMM_BLOCKING_INL_H_
#endif

#include <algorithm>
#include <type_traits>

#include "hwy/highway.h"
#include "ops/cpu/highway_targets.h"
#include "ops/cpu/tiled_gemm_forms-inl.h"
#include "ops/cpu/tiled_gemm_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace wde::ops {
namespace HWY_NAMESPACE {

constexpr int64_t kPanelColumns = 2 * forms::kLanes;
#if WDE_HWY_AVX512 || HWY_TARGET == HWY_NEON
constexpr int kTileRows = 12;
#elif HWY_TARGET == HWY_AVX2
constexpr int kTileRows = 6;
#else
constexpr int kTileRows = 4;
#endif
constexpr int64_t kLineBytes = 64;
// A panel's slice takes half of the smallest L1 we meet (of the smallest with AVX-512, more): x,
// the scratch and the lines of y need the rest.
constexpr int64_t kSliceBytes = (forms::kLanes > 8 ? 24 : 16) * 1024;
// Of x; the smallest L2 we meet has 512 KiB.
constexpr int64_t kBlockBytes = 256 * 1024;
constexpr int64_t kMostBlockTiles = 24;
constexpr int64_t kFewestBlockTiles = 4;
// Rows up to this long are short: a block of them is enough with all of k.
constexpr int64_t kShortRowBytes = 6 * 1024;
// A block of so few long rows as these is not cut into stretches either.
constexpr int64_t kMostWholeBytes = kBlockBytes / 4 * 5;
// Of the sums that wait for the next stretch.
constexpr int64_t kSumsBytes = (forms::kLanes > 8 ? 256 : 96) * 1024;
// After so many steps, lines of what comes next are prefetched.
constexpr int64_t kPrefetchSteps = 8;
constexpr int64_t kScratchFloats = kTileRows * kPanelColumns;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t tiles(int64_t rows) { return ceil_div(rows, kTileRows); }

// k is cut into slices of equally many steps, but for the last one; of `panels` together, where
// they are decoded together.
template <class Form>
struct Slices {
  Slices(int64_t k, int64_t panels) : steps(ceil_div(k, Form::kGroup)) {
    const int64_t most = kMostSteps / (forms::Decodes<Form> ? panels : 1);
    const int64_t fair = ceil_div(steps, std::max<int64_t>(1, ceil_div(steps, most)));
    size = ceil_div(fair, kPrefetchSteps) * kPrefetchSteps;
  }

  static constexpr size_t kWidenedBytes =
      std::is_same_v<typename Form::Operand, forms::V> ? sizeof(float) : 1;
  // bf16 that is widened counts as f32: so is the x beside it.
  static constexpr int64_t kElementBytes = std::max(sizeof(typename Form::Packed), kWidenedBytes);
  static constexpr int64_t kMostSteps =
      kSliceBytes / (kPanelColumns * Form::kGroup * kElementBytes);
  // What a slice of decoded panels takes, whatever their number: sizes are rounded up.
  static constexpr int64_t kDecodedBytes =
      forms::Decodes<Form> ? (kMostSteps + kTileRows * kPrefetchSteps) * kPanelColumns *
                                 Form::kGroup * static_cast<int64_t>(sizeof(typename Form::Packed))
                           : 0;
  int64_t steps;  // in all
  int64_t size;   // steps of a slice
};

// Elements of a row of x's copy: an odd number of lines, which never alias.
template <class Form>
int64_t copy_stride(int64_t k) {
  constexpr int64_t kElements = kLineBytes / static_cast<int64_t>(sizeof(typename Form::X));
  return (ceil_div(k, kElements) | 1) * kElements;
}

// How k and the panels are cut for a block of so many rows.
template <class Form>
struct Blocking {
  Blocking(const TiledMatrix& matrix, int64_t rows) {
    const Slices<Form> slices(matrix.k, 1);
    const int64_t tile_rows = tiles(rows) * kTileRows;
    const int64_t tile_bytes = tiles(rows) * kScratchFloats * static_cast<int64_t>(sizeof(float));
    stretch = slices.steps;
    scratch_bytes = tile_bytes;
    if (has_short_rows(matrix) || matrix.k * tile_rows * kValueBytes <= kMostWholeBytes) return;
    const int64_t slice_bytes = slices.size * Form::kGroup * tile_rows * kValueBytes;
    stretch = std::min(stretch, slices.size * std::max<int64_t>(1, kBlockBytes / slice_bytes));
    if (stretch == slices.steps) return;
    panels_together = std::max<int64_t>(2, kSumsBytes / tile_bytes);
    scratch_bytes = std::max(2 * tile_bytes, kSumsBytes);  // never less for more rows
  }

  // Decoding a panel costs as much for few rows as for many: of codes, blocks are always large.
  static bool has_short_rows(const TiledMatrix& matrix) {
    return !forms::Decodes<Form> && matrix.k * kValueBytes <= kShortRowBytes;
  }
  static int64_t most_rows(const TiledMatrix& matrix) {
    if (!has_short_rows(matrix)) return kTileRows * kMostBlockTiles;
    return kTileRows * std::clamp<int64_t>(kBlockBytes / (kTileRows * matrix.k * kValueBytes),
                                           kFewestBlockTiles, kMostBlockTiles);
  }

  static constexpr int64_t kValueBytes = sizeof(typename Form::X);

  int64_t stretch;              // steps of k, whole slices
  int64_t panels_together = 1;  // whose sums are under way at once
  int64_t scratch_bytes;        // of these sums
};

// Scratch for the sums, the rows' scales, the copy of x, a slice of decoded weights.
template <class Form>
struct Workspace {
  Workspace(const TiledMatrix& matrix, int64_t rows)
      : scales_offset(Blocking<Form>(matrix, rows).scratch_bytes),
        copy_offset(scales_offset + lines(rows * static_cast<int64_t>(sizeof(RowScale)))),
        decoded_offset(copy_offset + lines(rows * copy_stride<Form>(matrix.k) *
                                           static_cast<int64_t>(sizeof(typename Form::X)))),
        bytes(decoded_offset + Slices<Form>::kDecodedBytes) {}

  static int64_t lines(int64_t bytes) { return ceil_div(bytes, kLineBytes) * kLineBytes; }

  int64_t scales_offset;
  int64_t copy_offset;
  int64_t decoded_offset;
  int64_t bytes;
};

}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
