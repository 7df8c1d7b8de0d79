// A tile of kTileRows x (2 vectors) of y stays in registers while k runs: per step, two vectors of
// weights and kTileRows broadcasts of x feed 2 * kTileRows multiply-adds (AVX2: 12 of 16 registers,
// AVX-512 and NEON: 24 of 32). What a step multiplies is a form's to say (tiled_gemm_forms-inl.h).
// How rows, panels and k are cut is tiled_gemm_blocking-inl.h.
// Every element of y is one chain of multiply-adds in the order of k, whatever the tile around it:
// a row's bits depend on that row alone.
#include "ops/cpu/tiled_gemm_kernels.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include "ops/cpu/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/tiled_gemm_kernels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/gemm_epilogue-inl.h"
#include "ops/cpu/tiled_gemm_blocking-inl.h"
#include "ops/cpu/tiled_gemm_codes-inl.h"
#include "ops/cpu/tiled_gemm_forms-inl.h"

// The loops over a tile must vanish, or its sums would live in memory.
#ifndef WDE_UNROLL_FULLY
#define WDE_UNROLL_FULLY HWY_UNROLL(24)
#endif

HWY_BEFORE_NAMESPACE();
namespace wde::ops {
namespace HWY_NAMESPACE {
namespace {

using forms::D;
using forms::kLanes;
using forms::V;

// The block's rows of x in the form that is multiplied.
template <class Form>
struct Rows {
  const typename Form::X* first;
  int64_t stride;
  const RowScale* scales;
};

// Rows this far apart, or a multiple, share too few sets of L1 for a tile's rows to stay there.
constexpr int64_t kAliasingBytes = 4096;

template <class Form, class TX>
bool in_place(const TensorView& x, int64_t k) {
  return Form::kInPlace && k % Form::kGroup == 0 &&
         x.row_stride * static_cast<int64_t>(sizeof(TX)) % kAliasingBytes != 0;
}

template <class Form, class TX>
Rows<Form> prepare_rows(const TensorView& x, const TiledBlock& block, int64_t k, RowScale* scales,
                        typename Form::X* copy) {
  const TX* from = x.as<TX>() + block.row_begin * x.row_stride;
  if constexpr (Form::kInPlace) {
    if (in_place<Form, TX>(x, k)) return {from, x.row_stride, scales};
  }
  const int64_t stride = copy_stride<Form>(k);
  // A row's range is known some time after its last value: meanwhile others are measured.
  constexpr int64_t kRowsAtOnce = 4;
  RowRange ranges[kRowsAtOnce];
  for (int64_t row = 0; row < block.row_count; row += kRowsAtOnce) {
    const int64_t rows = std::min(block.row_count - row, kRowsAtOnce);
    for (int64_t i = 0; i < rows; ++i) ranges[i] = Form::Measure(from + i * x.row_stride, k);
    for (int64_t i = 0; i < rows; ++i, from += x.row_stride) {
      typename Form::X* to = copy + (row + i) * stride;
      std::fill(to + k, to + ceil_div(k, Form::kGroup) * Form::kGroup, typename Form::X{});
      scales[row + i] = Form::Prepare(from, k, ranges[i], to);
    }
  }
  return {copy, stride, scales};
}

// ------------------------------------------------------------------ one tile

// What a tile asks for while it computes: `lines` from `next` on every kPrefetchSteps.
struct Prefetches {
  const std::byte* next = nullptr;
  int64_t lines = 0;
};

// One slice of one tile.
template <class Form>
struct TileProduct {
  const typename Form::X* x;  // [rows][steps]
  int64_t x_stride;
  const typename Form::Packed* weights;  // [panels][steps][kPanelColumns]
  int64_t panel_stride;
  int64_t steps;
  bool continues;  // the sums so far are in scratch
  float* scratch;  // [rows][panels * kPanelColumns]
  Prefetches prefetches;
};

// Sums += x * weights; then they go to finish(sums). Few rows take several panels at once, so that
// enough independent chains hide the latency of an addition.
template <int kRows, int kPanels, class Form, class Finish>
HWY_INLINE void multiply(const TileProduct<Form>& product, const Finish& finish) {
  const auto* HWY_RESTRICT x = product.x;
  const auto* HWY_RESTRICT weights = product.weights;
  const int64_t x_stride = product.x_stride;
  const int64_t steps = product.steps;
  Prefetches prefetches = product.prefetches;
  using Sum = typename Form::Sum;
  constexpr int64_t kGroup = Form::kGroup;
  constexpr int kVectors = 2 * kPanels;
  const D d;
  const hn::DFromV<Sum> d_sum;
  Sum sums[kRows][kVectors];
  WDE_UNROLL_FULLY
  for (int row = 0; row < kRows; ++row) {
    WDE_UNROLL_FULLY
    for (int v = 0; v < kVectors; ++v) {
      const float* before = product.scratch + (row * kVectors + v) * kLanes;
      sums[row][v] = product.continues ? hn::BitCast(d_sum, hn::Load(d, before)) : hn::Zero(d_sum);
    }
  }
  const auto step = [&](int64_t s) HWY_ATTR {
    WDE_UNROLL_FULLY
    for (int panel = 0; panel < kPanels; ++panel) {
      typename Form::Operand low, high;
      Form::LoadPanel(weights + panel * product.panel_stride + s * kPanelColumns * kGroup, low,
                      high);
      WDE_UNROLL_FULLY
      for (int row = 0; row < kRows; ++row) {
        const auto value = Form::Broadcast(x + row * x_stride + s * kGroup);
        sums[row][2 * panel] = Form::MultiplyAdd(value, low, sums[row][2 * panel]);
        sums[row][2 * panel + 1] = Form::MultiplyAdd(value, high, sums[row][2 * panel + 1]);
      }
    }
  };
  int64_t s = 0;
  for (; s + kPrefetchSteps <= steps; s += kPrefetchSteps) {
    for (int64_t line = 0; line < prefetches.lines; ++line, prefetches.next += kLineBytes) {
      __builtin_prefetch(prefetches.next, 0, 2);  // into L2: L1 holds the slice in use
    }
    WDE_UNROLL_FULLY
    for (int i = 0; i < kPrefetchSteps; ++i) step(s + i);
  }
  for (; s < steps; ++s) step(s);
  finish(sums);
}

template <class Form, int kRows, int kPanels>
using Sums = typename Form::Sum[kRows][2 * kPanels];

template <int kRows, int kPanels, class Form>
void multiply_to_scratch(const TileProduct<Form>& product) {
  multiply<kRows, kPanels>(product, [&](const Sums<Form, kRows, kPanels>& sums) HWY_ATTR {
    const D d;
    constexpr int kVectors = 2 * kPanels;
    WDE_UNROLL_FULLY
    for (int row = 0; row < kRows; ++row) {
      WDE_UNROLL_FULLY
      for (int v = 0; v < kVectors; ++v) {
        hn::Store(hn::BitCast(d, sums[row][v]), d, product.scratch + (row * kVectors + v) * kLanes);
      }
    }
  });
}

template <class Form>
using Multiply = void (*)(const TileProduct<Form>&);

constexpr int wide_panels(int rows) { return std::max(1, kTileRows / rows); }

template <class Form, int... kRowsMinusOne>
Multiply<Form> choose_multiply(int64_t rows, bool wide,
                               std::integer_sequence<int, kRowsMinusOne...>) {
  static constexpr std::array<Multiply<Form>, kTileRows> kNarrow = {
      multiply_to_scratch<kRowsMinusOne + 1, 1, Form>...};
  static constexpr std::array<Multiply<Form>, kTileRows> kWide = {
      multiply_to_scratch<kRowsMinusOne + 1, wide_panels(kRowsMinusOne + 1), Form>...};
  return (wide ? kWide : kNarrow)[static_cast<size_t>(rows - 1)];
}

// The last slice of a whole tile, when nothing is left to do but the bias and the residual: y
// straight from the registers.
template <class Form, class TY>
void multiply_to_y(const TileProduct<Form>& product, const TiledMatrix& matrix,
                   const GemmArgs& args, const RowScale* x_scales, const TilePlace& place) {
  const int64_t column = place.first_column;
  TY* y = args.y.as<TY>() + place.first_row * args.y.row_stride + column;
  const TY* residual = args.residual.as<TY>();
  if (residual != nullptr) residual += place.first_row * args.residual.row_stride + column;
  multiply<kTileRows, 1>(product, [&](const Sums<Form, kTileRows, 1>& sums) HWY_ATTR {
    const D d;
    const Columns<Form> columns[2] = {{matrix, column}, {matrix, column + kLanes}};
    WDE_UNROLL_FULLY
    for (int row = 0; row < kTileRows; ++row) {
      WDE_UNROLL_FULLY
      for (int v = 0; v < 2; ++v) {
        const int64_t c = v * kLanes;
        V value = columns[v].biased(x_scales[row], sums[row][v]);
        if (residual != nullptr) {
          value = hn::Add(value, LoadF32(d, residual + row * args.residual.row_stride + c));
        }
        StoreF32(value, d, y + row * args.y.row_stride + c);
      }
    }
  });
}

// The same with an activation and no residual: by way of scratch, for want of registers.
template <class Form, class TY>
void multiply_and_activate(const TileProduct<Form>& product, const TiledMatrix& matrix,
                           const GemmArgs& args, const RowScale* x_scales, const TilePlace& place) {
  const int64_t column = place.first_column;
  multiply<kTileRows, 1>(product, [&](const Sums<Form, kTileRows, 1>& sums) HWY_ATTR {
    const Columns<Form> columns[2] = {{matrix, column}, {matrix, column + kLanes}};
    WDE_UNROLL_FULLY
    for (int row = 0; row < kTileRows; ++row) {
      WDE_UNROLL_FULLY
      for (int v = 0; v < 2; ++v) {
        hn::Store(columns[v].biased(x_scales[row], sums[row][v]), D(),
                  product.scratch + (row * 2 + v) * kLanes);
      }
    }
  });
  TY* y = args.y.as<TY>() + place.first_row * args.y.row_stride + column;
  static_assert(kTileRows % 2 == 0);
  for (int row = 0; row < kTileRows; row += 2) {
    const D d;
    V v[4];
    WDE_EACH(i, 4) v[i] = hn::Load(d, product.scratch + (row * 2 + i) * kLanes);
    ActivateAs<ExactnessOf<Form, TY>>(matrix.activation, v);
    WDE_EACH(i, 4) StoreF32(v[i], d, y + (row + i / 2) * args.y.row_stride + i % 2 * kLanes);
  }
}

// The same bits for any other tile, from scratch.
template <class Form, class TY>
void finish_scratch(const TiledMatrix& matrix, const GemmArgs& args, const RowScale* x_scales,
                    const TilePlace& place, float* scratch) {
  const BiasedSums<Form> biased = {matrix, x_scales, place.first_column};
  finish_tile<TY, ExactnessOf<Form, TY>>(matrix, args, place, biased, scratch);
}

// ------------------------------------------------------------------ one block

// How many lines each tile prefetches every kPrefetchSteps, so that together they fetch `lines`.
struct PrefetchPlan {
  PrefetchPlan(int64_t lines, int64_t tile_count, int64_t steps)
      : total(lines), turns(steps / kPrefetchSteps) {
    if (turns > 0) each = ceil_div(lines, turns * tile_count);
  }
  Prefetches of_tile(const void* next, int64_t tile) const {
    const int64_t begin = tile * turns * each;
    if (begin >= total) return {};
    return {static_cast<const std::byte*>(next) + begin * kLineBytes, each};
  }

  int64_t total;
  int64_t turns;
  int64_t each = 0;
};

// Neighbouring panels, [begin, end).
struct Panels {
  int64_t begin;
  int64_t end;
};

// Steps of k, whole slices.
struct Stretch {
  int64_t begin;
  int64_t end;
};

// A stretch of `panels` neighbouring panels times the block's rows. `next_stretch` is read
// after it; `decoded` is for weights that are codes.
template <class Form, class TY>
void run_panels(const TiledMatrix& matrix, const GemmArgs& args, const TiledBlock& block,
                const Rows<Form>& x, int64_t panel, int64_t panels, const Stretch& stretch,
                const typename Form::Packed* next_stretch, float* scratch,
                [[maybe_unused]] typename Form::Packed* decoded) {
  using Packed = typename Form::Packed;
  constexpr auto kCounts = std::make_integer_sequence<int, kTileRows>();
  constexpr int64_t kStepElements = kPanelColumns * Form::kGroup;
  const Slices<Form> slices(matrix.k, panels);
  const int64_t panel_elements = slices.steps * kStepElements;
  // Of codes no element lies where these would.
  const Packed* weights = forms::Decodes<Form>
                              ? nullptr
                              : static_cast<const Packed*>(matrix.panels) + panel * panel_elements;
  const int64_t tile_count = tiles(block.row_count);
  const bool activates = matrix.activation != Activation::kNone;
  for (int64_t begin = stretch.begin; begin < stretch.end; begin += slices.size) {
    const int64_t steps = std::min(slices.size, slices.steps - begin);
    const bool last = begin + steps == slices.steps;
    const Packed* next = next_stretch;
    if (!forms::Decodes<Form> && begin + steps < stretch.end)
      next = weights + (begin + steps) * kStepElements;
    // Groups of panels are left to the hardware.
    const bool fetches = panels == 1 && next != nullptr;
    const int64_t bytes = steps * kStepElements * static_cast<int64_t>(sizeof(Packed));
    const Packed* slice = forms::Decodes<Form> ? nullptr : weights + begin * kStepElements;
    int64_t panel_stride = panel_elements;
    if constexpr (forms::Decodes<Form>) {
      using Decode = void (*)(const TiledMatrix&, int64_t, int64_t, int64_t, Packed*);
      const Decode decode =
          matrix.code_bits == 4 ? Decode(forms::DecodePanel<4>) : Decode(forms::DecodePanel<8>);
      const int64_t first = begin * Form::kGroup;
      const int64_t count = std::min(steps * Form::kGroup, matrix.k - first);
      panel_stride = steps * kStepElements;
      for (int64_t p = 0; p < panels; ++p)
        decode(matrix, panel + p, first, count, decoded + p * panel_stride);
      slice = decoded;
    }
    const PrefetchPlan prefetch(fetches ? bytes / kLineBytes : 0, tile_count, steps);
    for (int64_t tile = 0; tile < tile_count; ++tile) {
      const int64_t row = tile * kTileRows;
      const TilePlace place = {block.row_begin + row,
                               std::min<int64_t>(kTileRows, block.row_count - row),
                               panel * kPanelColumns, panels * kPanelColumns};
      if (last) prefetch_place<TY>(args, place);
      const TileProduct<Form> product = {.x = x.first + row * x.stride + begin * Form::kGroup,
                                         .x_stride = x.stride,
                                         .weights = slice,
                                         .panel_stride = panel_stride,
                                         .steps = steps,
                                         .continues = begin != 0,
                                         .scratch = scratch + tile * kScratchFloats,
                                         .prefetches = prefetch.of_tile(next, tile)};
      const RowScale* x_scales = x.scales + row;
      const bool whole =
          panels == 1 && place.rows == kTileRows && place.first_column + place.width <= matrix.n;
      if (last && whole && !activates) {
        multiply_to_y<Form, TY>(product, matrix, args, x_scales, place);
        continue;
      }
      if (last && whole && args.residual.data == nullptr) {
        multiply_and_activate<Form, TY>(product, matrix, args, x_scales, place);
        continue;
      }
      choose_multiply<Form>(place.rows, panels > 1, kCounts)(product);
      if (last) finish_scratch<Form, TY>(matrix, args, x_scales, place, product.scratch);
    }
  }
}

// What is read after this panel's stretch: the next panel's, else the first panel's next one, else
// the panel behind these. Null where nothing is, and for codes, which have no elements.
template <class Form>
const typename Form::Packed* next_stretch(const TiledMatrix& matrix, const TiledBlock& block,
                                          const Panels& together, int64_t panel,
                                          const Stretch& stretch) {
  if (forms::Decodes<Form>) return nullptr;
  const int64_t steps = ceil_div(matrix.k, Form::kGroup);
  int64_t step = stretch.begin;
  int64_t next = panel + 1;
  if (next == together.end) {
    step = stretch.end < steps ? stretch.end : 0;
    next = stretch.end < steps ? together.begin : together.end;
  }
  if (next >= block.panel_end) return nullptr;
  return static_cast<const typename Form::Packed*>(matrix.panels) +
         (next * steps + step) * kPanelColumns * Form::kGroup;
}

template <class Form, class TX, class TY>
void run_block(const TiledMatrix& matrix, const GemmArgs& args, const TiledBlock& block,
               void* memory) {
  auto* bytes = static_cast<std::byte*>(memory);
  const Workspace<Form> workspace(matrix, block.row_count);
  auto* scratch = reinterpret_cast<float*>(bytes);
  auto* decoded = reinterpret_cast<typename Form::Packed*>(bytes + workspace.decoded_offset);
  const auto x = prepare_rows<Form, TX>(
      args.x, block, matrix.k, reinterpret_cast<RowScale*>(bytes + workspace.scales_offset),
      reinterpret_cast<typename Form::X*>(bytes + workspace.copy_offset));
  const int64_t steps = ceil_div(matrix.k, Form::kGroup);
  const int64_t group =
      block.row_count <= kTileRows ? wide_panels(static_cast<int>(block.row_count)) : 1;
  int64_t panel = block.panel_begin;
  if (group > 1) {
    for (; panel + group <= block.panel_end; panel += group) {
      run_panels<Form, TY>(matrix, args, block, x, panel, group, {0, steps}, nullptr, scratch,
                           decoded);
    }
  }
  const Blocking<Form> blocking(matrix, block.row_count);
  const int64_t panel_scratch = tiles(block.row_count) * kScratchFloats;
  for (; panel < block.panel_end; panel += blocking.panels_together) {
    const int64_t end = std::min(panel + blocking.panels_together, block.panel_end);
    for (Stretch stretch = {0, 0}; stretch.begin < steps; stretch.begin = stretch.end) {
      stretch.end = std::min(stretch.begin + blocking.stretch, steps);
      for (int64_t p = panel; p < end; ++p) {
        run_panels<Form, TY>(matrix, args, block, x, p, 1, stretch,
                             next_stretch<Form>(matrix, block, {panel, end}, p, stretch),
                             scratch + (p - panel) * panel_scratch, decoded);
      }
    }
  }
}

// ------------------------------------------------------------------ the kernels of a matrix

template <class Form>
size_t workspace_bytes(const TiledMatrix& matrix, int64_t rows) {
  return static_cast<size_t>(Workspace<Form>::lines(Workspace<Form>(matrix, rows).bytes));
}

template <class Form, class TX>
TiledKernels kernels_of(const TiledMatrix& matrix) {
  return {.panel_columns = kPanelColumns,
          .tile_rows = kTileRows,
          .k_group = Form::kGroup,
          .splits_words = std::is_same_v<Form, forms::WidenedBf16>,
          .block_rows = Blocking<Form>::most_rows(matrix),
          .workspace_bytes = workspace_bytes<Form>,
          .run = matrix.output_dtype == DType::kBF16 ? run_block<Form, TX, bf16>
                                                     : run_block<Form, TX, float>};
}

template <class Bf16, class DecodedBf16, class Int8>
TiledKernels kernels_for(const TiledMatrix& matrix) {
  const bool bf16_in = matrix.dtype == DType::kBF16;
  if (matrix.weights == WeightFormat::kCodes) {
    return bf16_in ? kernels_of<DecodedBf16, bf16>(matrix)
                   : kernels_of<forms::DecodedF32, float>(matrix);
  }
  if (matrix.weights == WeightFormat::kInt8) {
    return bf16_in ? kernels_of<Int8, bf16>(matrix) : kernels_of<Int8, float>(matrix);
  }
  return bf16_in ? kernels_of<Bf16, bf16>(matrix) : kernels_of<forms::F32, float>(matrix);
}

}  // namespace

#if HWY_TARGET == HWY_AVX3_DL
TiledKernels kernels(const TiledMatrix& matrix) {
  return kernels_for<forms::Bf16Pairs, forms::DecodedBf16Pairs, forms::Int8Quads>(matrix);
}
#else
TiledKernels kernels(const TiledMatrix& matrix) {
  return kernels_for<forms::WidenedBf16, forms::DecodedWidenedBf16, forms::Int8Pairs>(matrix);
}
#endif
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
TiledKernels int8_quads_kernels(const TiledMatrix& matrix) {
  return kernels_for<forms::WidenedBf16, forms::DecodedWidenedBf16, forms::Int8Quads>(matrix);
}
#endif
#if HWY_TARGET == HWY_NEON
TiledKernels bf16_pairs_kernels(const TiledMatrix& matrix) {
  return kernels_for<forms::Bf16Pairs, forms::DecodedBf16Pairs, forms::Int8Quads>(matrix);
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace wde::ops {

ChooseTiledKernels* tiled_kernels(std::string_view isa) {
#if HWY_TARGETS & HWY_AVX3_DL
  if (isa == "avx512_bf16") return N_AVX3_DL::kernels;
#endif
#if HWY_TARGETS & HWY_AVX3
  if (isa == "avx512_vnni") return N_AVX3::int8_quads_kernels;
  if (isa == "avx512") return N_AVX3::kernels;
#endif
#if HWY_TARGETS & HWY_AVX2
  if (isa == "avx2") return N_AVX2::kernels;
#endif
#if HWY_TARGETS & HWY_NEON
  if (isa == "neon_bf16") return N_NEON::bf16_pairs_kernels;
  if (isa == "neon_dot") return N_NEON::int8_quads_kernels;
  if (isa == "neon") return N_NEON::kernels;
#endif
  if (isa == "portable") return WDE_HWY_PORTABLE::kernels;
  return nullptr;
}

}  // namespace wde::ops
#endif
