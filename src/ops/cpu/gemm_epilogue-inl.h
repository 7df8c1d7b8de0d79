// What happens to a tile of sums before it is y: scale, bias, activation, residual. A Highway
// "-inl" header, as vector_math-inl.h.

#if defined(WDE_OPS_CPU_GEMM_EPILOGUE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_OPS_CPU_GEMM_EPILOGUE_INL_H_
#undef WDE_OPS_CPU_GEMM_EPILOGUE_INL_H_
#else
#define WDE_OPS_CPU_GEMM_EPILOGUE_INL_H_
#endif

#include <algorithm>
#include <type_traits>

#include "hwy/highway.h"
#include "ops/cpu/activation-inl.h"
#include "ops/cpu/tiled_gemm_forms-inl.h"
#include "ops/cpu/tiled_gemm_kernels.h"
#include "ops/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace wde::ops {
namespace HWY_NAMESPACE {

// Where a tile of sums [rows][width] goes in y.
struct TilePlace {
  int64_t first_row;
  int64_t rows;
  int64_t first_column;
  int64_t width;  // a whole number of vectors; may reach beyond y's columns
};

// The lines of y and the residual that a tile will touch when it is done: fetched while it
// computes.
template <class TY>
void prefetch_place(const GemmArgs& args, const TilePlace& place) {
  for (int64_t i = 0; i < place.rows; ++i) {
    const int64_t row = place.first_row + i;
    __builtin_prefetch(args.y.as<TY>() + row * args.y.row_stride + place.first_column, 1);
    if (args.residual.data == nullptr) continue;
    __builtin_prefetch(args.residual.as<TY>() + row * args.residual.row_stride +
                       place.first_column);
  }
}

// What a vector of columns needs to become the numbers that its sums stand for, and the bias.
template <class Form>
struct Columns {
  static constexpr bool kIntegers = !std::is_same_v<typename Form::Sum, forms::V>;

  Columns(const TiledMatrix& matrix, int64_t column)
      : bias(hn::LoadU(forms::D(), matrix.bias + column)) {
    if constexpr (kIntegers) {
      scale = hn::LoadU(forms::D(), matrix.scales + column);
      sum_of_weights = hn::LoadU(forms::D(), matrix.column_sums + column);
    }
  }
  // Of a row with that scale.
  HWY_INLINE forms::V biased(const RowScale& row, typename Form::Sum sum) const {
    if constexpr (kIntegers) {
      const forms::D d;
      const auto shift = hn::MulAdd(hn::Set(d, row.offset), sum_of_weights, bias);
      return hn::MulAdd(hn::ConvertTo(d, sum), hn::Mul(hn::Set(d, row.scale), scale), shift);
    } else {
      return hn::Add(sum, bias);
    }
  }

  forms::V bias;
  forms::V scale, sum_of_weights;  // of int8 weights
};

// The same for sums that wait in scratch; rows and columns are counted from the tile's first.
template <class Form>
struct BiasedSums {
  HWY_INLINE forms::V operator()(int64_t row, int64_t column, const float* at) const {
    const auto sum = hn::BitCast(hn::DFromV<typename Form::Sum>(), hn::Load(forms::D(), at));
    return Columns<Form>(matrix, first_column + column).biased(x_scales[row], sum);
  }

  const TiledMatrix& matrix;
  const RowScale* x_scales;
  int64_t first_column;
};

// How exact an activation is worth to be: where rows of bf16 are quantized to bytes, so is the next
// product's x.
template <class Form, class TY>
using ExactnessOf =
    std::conditional_t<std::is_same_v<typename Form::X, uint8_t> && std::is_same_v<TY, bf16>,
                       int8_t, TY>;

// sums = activation(biased), several vectors at once.
template <int kCount, class Exactness, class Biased>
HWY_INLINE void activate_vectors(Activation activation, int64_t width, int64_t at,
                                 const Biased& biased, float* sums) {
  const hn::ScalableTag<float> d;
  constexpr int64_t kLanes = HWY_LANES(float);
  hn::Vec<hn::ScalableTag<float>> v[kCount];
  WDE_EACH(i, kCount) {
    const int64_t lanes = at + i * kLanes;
    v[i] = biased(lanes / width, lanes % width, sums + lanes);
  }
  ActivateAs<Exactness>(activation, v);
  WDE_EACH(i, kCount) hn::Store(v[i], d, sums + at + i * kLanes);
}

template <class Exactness, class Biased>
HWY_INLINE void activate_tile(Activation activation, const TilePlace& place, const Biased& biased,
                              float* sums) {
  constexpr int64_t kLanes = HWY_LANES(float);
  const int64_t floats = place.rows * place.width;
  int64_t at = 0;
  for (; at + 4 * kLanes <= floats; at += 4 * kLanes) {
    activate_vectors<4, Exactness>(activation, place.width, at, biased, sums);
  }
  for (; at < floats; at += kLanes)
    activate_vectors<1, Exactness>(activation, place.width, at, biased, sums);
}

// y = value + residual for the first `columns` lanes of a vector; the residual may be null.
template <class TY>
HWY_INLINE void store_vector(hn::Vec<hn::ScalableTag<float>> value, const TY* residual, TY* y,
                             int64_t columns) {
  const hn::ScalableTag<float> d;
  constexpr int64_t kLanes = HWY_LANES(float);
  if (columns >= kLanes) {
    if (residual != nullptr) value = hn::Add(value, LoadF32(d, residual));
    StoreF32(value, d, y);
    return;
  }
  const auto count = static_cast<size_t>(columns);
  if (residual != nullptr) value = hn::Add(value, LoadF32N(d, residual, count));
  StoreF32N(value, d, y, count);
}

// y = activation(biased) + residual, where biased(row, column, at) is what the sums at `at` of that
// row and column, both counted from the tile's first, stand for, and the bias. The activation is as
// exact as Exactness can tell (activation-inl.h). `sums` is scratch.
template <class TY, class Exactness, class Biased>
void finish_tile(const TiledMatrix& matrix, const GemmArgs& args, const TilePlace& place,
                 const Biased& biased, float* sums) {
  const hn::ScalableTag<float> d;
  constexpr int64_t kLanes = HWY_LANES(float);
  const bool activates = matrix.activation != Activation::kNone;
  if (activates) activate_tile<Exactness>(matrix.activation, place, biased, sums);
  const int64_t columns = std::min(place.width, matrix.n - place.first_column);
  for (int64_t i = 0; i < place.rows; ++i) {
    const int64_t row = place.first_row + i;
    const TY* residual = args.residual.as<TY>();
    if (residual != nullptr) residual += row * args.residual.row_stride + place.first_column;
    TY* y = args.y.as<TY>() + row * args.y.row_stride + place.first_column;
    const float* from = sums + i * place.width;
    for (int64_t c = 0; c < columns; c += kLanes) {
      const auto value = activates ? hn::Load(d, from + c) : biased(i, c, from + c);
      store_vector(value, residual == nullptr ? nullptr : residual + c, y + c, columns - c);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
