// A tile of kTileRows x (2 vectors) of y stays in registers while k runs: per k, two vectors of
// weights and kTileRows broadcasts of x feed 2 * kTileRows fused multiply-adds (AVX2: 12 of 16
// registers, AVX-512: 24 of 32). Blocking, inside out:
//   - kBlockK values of k: their slice of a panel (24 KiB of f32) stays in L1 while all tiles of
//   the block
//     use it. Sums go through f32 scratch between slices, which changes no bit.
//   - block_rows of x, copied to f32 with a constant row distance, stay in L2 while all panels
//   pass.
// Every element of y is one chain of multiply-adds in the order of k, whatever the tile around it:
// a row's bits depend on that row alone.
#include "ops/cpu/tiled_gemm_kernels.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ops/cpu/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/tiled_gemm_kernels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/activation-inl.h"
#include "ops/cpu/vector_math-inl.h"

// The loops over a tile must vanish, or its sums would live in memory.
#ifndef WDE_UNROLL_FULLY
#define WDE_UNROLL_FULLY HWY_UNROLL(24)
#endif

HWY_BEFORE_NAMESPACE();
namespace wde::ops {
namespace HWY_NAMESPACE {
namespace {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

constexpr int64_t kLanes = HWY_LANES(float);
constexpr int64_t kPanelColumns = 2 * kLanes;
#if HWY_TARGET == HWY_AVX3
constexpr int kTileRows = 12;
#elif HWY_TARGET == HWY_AVX2
constexpr int kTileRows = 6;
#else
constexpr int kTileRows = 4;
#endif
// 24 KiB of f32 panel: three quarters of the smallest L1 we meet.
constexpr int64_t kBlockK =
    std::min<int64_t>(24 * 1024 / (kPanelColumns * static_cast<int64_t>(sizeof(float))), 384);
constexpr int64_t kTileFloats = kTileRows * kBlockK;
// Of the widened copy of x; the smallest L2 we meet has 512 KiB.
constexpr int64_t kBlockBytes = 320 * 1024;

int64_t k_blocks(int64_t k) { return std::max<int64_t>(1, (k + kBlockK - 1) / kBlockK); }
int64_t tiles(int64_t rows) { return (rows + kTileRows - 1) / kTileRows; }

int64_t block_rows(int64_t k) {
  const int64_t tile_bytes = kTileFloats * k_blocks(k) * static_cast<int64_t>(sizeof(float));
  return kTileRows * std::clamp<int64_t>(kBlockBytes / tile_bytes, 2, 32);
}

size_t workspace_bytes(int64_t k, int64_t rows) {
  const int64_t floats = tiles(rows) * (kTileFloats * k_blocks(k) + kTileRows * kPanelColumns);
  return static_cast<size_t>(floats) * sizeof(float);
}

// ------------------------------------------------------------------ x, widened: [tile][k
// block][row][kBlockK]

template <class T>
void copy_rows(const TensorView& x, const TiledBlock& block, int64_t k, float* to) {
  const D d;
  const int64_t blocks = k_blocks(k);
  for (int64_t row = 0; row < block.row_count; ++row) {
    const T* from = x.as<T>() + (block.row_begin + row) * x.row_stride;
    float* tile = to + (row / kTileRows) * blocks * kTileFloats + (row % kTileRows) * kBlockK;
    for (int64_t begin = 0; begin < k; begin += kBlockK, tile += kTileFloats) {
      const int64_t count = std::min(kBlockK, k - begin);
      int64_t i = 0;
      for (; i + kLanes <= count; i += kLanes)
        hn::StoreU(LoadF32(d, from + begin + i), d, tile + i);
      if (i < count) {
        const size_t rest = static_cast<size_t>(count - i);
        StoreF32N(LoadF32N(d, from + begin + i, rest), d, tile + i, rest);
      }
    }
  }
}

// ------------------------------------------------------------------ one tile

HWY_INLINE void load_weights(const float* from, V& low, V& high) {
  const D d;
  low = hn::Load(d, from);
  high = hn::Load(d, from + kLanes);
}

HWY_INLINE void load_weights(const bf16* from, V& low, V& high) {
  const D d;
  const hn::RebindToUnsigned<D> du;
  const auto words = hn::Load(du, reinterpret_cast<const uint32_t*>(from));
  low = hn::BitCast(d, hn::ShiftLeft<16>(words));
  high = hn::BitCast(d, hn::And(words, hn::Set(du, 0xffff0000u)));
}

// scratch [kRows][kPanels * kPanelColumns] (+)= a [kRows][kBlockK] * weights
// [kPanels][count][kPanelColumns]. Few rows take several panels at once, so that enough independent
// chains hide the latency of an addition.
template <int kRows, int kPanels, class T>
void multiply(const float* HWY_RESTRICT a, const T* HWY_RESTRICT weights, int64_t panel_stride,
              int64_t count, bool continues, float* HWY_RESTRICT scratch) {
  constexpr int kVectors = 2 * kPanels;
  const D d;
  V sums[kRows][kVectors];
  WDE_UNROLL_FULLY
  for (int row = 0; row < kRows; ++row) {
    WDE_UNROLL_FULLY
    for (int v = 0; v < kVectors; ++v) {
      sums[row][v] = continues ? hn::Load(d, scratch + (row * kVectors + v) * kLanes) : hn::Zero(d);
    }
  }
  for (int64_t k = 0; k < count; ++k) {
    WDE_UNROLL_FULLY
    for (int panel = 0; panel < kPanels; ++panel) {
      V low, high;
      load_weights(weights + panel * panel_stride + k * kPanelColumns, low, high);
      WDE_UNROLL_FULLY
      for (int row = 0; row < kRows; ++row) {
        const V x = hn::Set(d, a[row * kBlockK + k]);
        sums[row][2 * panel] = hn::MulAdd(x, low, sums[row][2 * panel]);
        sums[row][2 * panel + 1] = hn::MulAdd(x, high, sums[row][2 * panel + 1]);
      }
    }
  }
  WDE_UNROLL_FULLY
  for (int row = 0; row < kRows; ++row) {
    WDE_UNROLL_FULLY
    for (int v = 0; v < kVectors; ++v)
      hn::Store(sums[row][v], d, scratch + (row * kVectors + v) * kLanes);
  }
}

template <class T>
using Multiply = void (*)(const float*, const T*, int64_t, int64_t, bool, float*);

constexpr int wide_panels(int rows) { return std::max(1, kTileRows / rows); }

template <class T, int... kRowsMinusOne>
Multiply<T> choose_multiply(int64_t rows, bool wide, std::integer_sequence<int, kRowsMinusOne...>) {
  static constexpr std::array<Multiply<T>, kTileRows> kNarrow = {
      multiply<kRowsMinusOne + 1, 1, T>...};
  static constexpr std::array<Multiply<T>, kTileRows> kWide = {
      multiply<kRowsMinusOne + 1, wide_panels(kRowsMinusOne + 1), T>...};
  return (wide ? kWide : kNarrow)[static_cast<size_t>(rows - 1)];
}

// ------------------------------------------------------------------ epilogue

// y = activation(sums + bias) + residual for `columns` values of one row.
template <class TY>
HWY_INLINE void finish_row(const float* sums, const float* bias, Activation activation,
                           const TY* residual, TY* y, int64_t columns) {
  const D d;
  int64_t c = 0;
  for (; c + kLanes <= columns; c += kLanes) {
    V v = Activate(d, activation, hn::Add(hn::Load(d, sums + c), hn::LoadU(d, bias + c)));
    if (residual != nullptr) v = hn::Add(v, LoadF32(d, residual + c));
    StoreF32(v, d, y + c);
  }
  if (c == columns) return;
  const auto rest = static_cast<size_t>(columns - c);
  V v = Activate(d, activation, hn::Add(hn::Load(d, sums + c), hn::LoadU(d, bias + c)));
  if (residual != nullptr) v = hn::Add(v, LoadF32N(d, residual + c, rest));
  StoreF32N(v, d, y + c, rest);
}

// Where a tile of sums [rows][width] goes in y.
struct TilePlace {
  int64_t first_row;
  int64_t rows;
  int64_t first_column;
  int64_t width;
};

template <class TY>
HWY_INLINE void finish_rows(const TiledMatrix& matrix, const GemmArgs& args, const TilePlace& place,
                            const float* sums, Activation activation) {
  const int64_t columns = std::min(place.width, matrix.n - place.first_column);
  for (int64_t i = 0; i < place.rows; ++i) {
    const int64_t row = place.first_row + i;
    const TY* residual = args.residual.as<TY>();
    if (residual != nullptr) residual += row * args.residual.row_stride + place.first_column;
    finish_row(sums + i * place.width, matrix.bias + place.first_column, activation, residual,
               args.y.as<TY>() + row * args.y.row_stride + place.first_column, columns);
  }
}

// The activations that models use in every block get loops of their own, without the choice inside.
template <class TY>
void finish(const TiledMatrix& matrix, const GemmArgs& args, const TilePlace& place,
            const float* sums) {
  switch (matrix.activation) {
    case Activation::kNone:
      return finish_rows<TY>(matrix, args, place, sums, Activation::kNone);
    case Activation::kGeluErf:
      return finish_rows<TY>(matrix, args, place, sums, Activation::kGeluErf);
    default:
      return finish_rows<TY>(matrix, args, place, sums, matrix.activation);
  }
}

// ------------------------------------------------------------------ one block

template <class T, class TY>
void run_panels(const TiledMatrix& matrix, const GemmArgs& args, const TiledBlock& block,
                const float* x, int64_t panel, int64_t panels, float* scratch) {
  const T* weights = static_cast<const T*>(matrix.panels) + panel * matrix.k * kPanelColumns;
  const int64_t blocks = k_blocks(matrix.k);
  const int64_t width = panels * kPanelColumns;
  constexpr auto kCounts = std::make_integer_sequence<int, kTileRows>();
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t k_begin = b * kBlockK;
    const int64_t k_count = std::min(kBlockK, matrix.k - k_begin);
    for (int64_t tile = 0; tile < tiles(block.row_count); ++tile) {
      const int64_t rows = std::min<int64_t>(kTileRows, block.row_count - tile * kTileRows);
      float* sums = scratch + tile * kTileRows * kPanelColumns;
      choose_multiply<T>(rows, panels > 1, kCounts)(
          x + (tile * blocks + b) * kTileFloats, weights + k_begin * kPanelColumns,
          matrix.k * kPanelColumns, k_count, b != 0, sums);
      if (b + 1 == blocks) {
        const TilePlace place = {block.row_begin + tile * kTileRows, rows, panel * kPanelColumns,
                                 width};
        finish<TY>(matrix, args, place, sums);
      }
    }
  }
}

template <class T, class TY>
void run_block(const TiledMatrix& matrix, const GemmArgs& args, const TiledBlock& block,
               void* workspace) {
  float* scratch = static_cast<float*>(workspace);
  float* x = scratch + tiles(block.row_count) * kTileRows * kPanelColumns;
  copy_rows<T>(args.x, block, matrix.k, x);
  const int64_t group =
      block.row_count <= kTileRows ? wide_panels(static_cast<int>(block.row_count)) : 1;
  int64_t panel = block.panel_begin;
  for (; panel + group <= block.panel_end; panel += group) {
    run_panels<T, TY>(matrix, args, block, x, panel, group, scratch);
  }
  for (; panel < block.panel_end; ++panel)
    run_panels<T, TY>(matrix, args, block, x, panel, 1, scratch);
}

void run(const TiledMatrix& matrix, const GemmArgs& args, const TiledBlock& block,
         void* workspace) {
  const bool bf16_in = matrix.dtype == DType::kBF16;
  const bool bf16_out = matrix.output_dtype == DType::kBF16;
  if (bf16_in && bf16_out) return run_block<bf16, bf16>(matrix, args, block, workspace);
  if (bf16_in) return run_block<bf16, float>(matrix, args, block, workspace);
  if (bf16_out) return run_block<float, bf16>(matrix, args, block, workspace);
  run_block<float, float>(matrix, args, block, workspace);
}

}  // namespace

const TiledKernels& kernels() {
  static constexpr TiledKernels kKernels = {kPanelColumns, kTileRows, block_rows, workspace_bytes,
                                            run};
  return kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace wde::ops {

const TiledKernels* tiled_kernels(std::string_view isa) {
#if HWY_TARGETS & HWY_AVX3
  if (isa == "avx512") return &N_AVX3::kernels();
#endif
#if HWY_TARGETS & HWY_AVX2
  if (isa == "avx2") return &N_AVX2::kernels();
#endif
  if (isa == "portable") return &WDE_HWY_PORTABLE::kernels();
  return nullptr;
}

}  // namespace wde::ops
#endif
