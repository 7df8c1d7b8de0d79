// What happens to a tile of sums before it is y: bias, activation, residual. A Highway "-inl"
// header, as vector_math-inl.h.

#if defined(WDE_OPS_CPU_GEMM_EPILOGUE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_OPS_CPU_GEMM_EPILOGUE_INL_H_
#undef WDE_OPS_CPU_GEMM_EPILOGUE_INL_H_
#else
#define WDE_OPS_CPU_GEMM_EPILOGUE_INL_H_
#endif

#include <algorithm>

#include "hwy/highway.h"
#include "ops/cpu/activation-inl.h"
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

// sums = activation(sums + bias), several vectors at once.
template <int kCount, class TY>
HWY_INLINE void activate_vectors(Activation activation, const float* bias, int64_t width,
                                 int64_t at, float* sums) {
  const hn::ScalableTag<float> d;
  constexpr int64_t kLanes = HWY_LANES(float);
  hn::Vec<hn::ScalableTag<float>> v[kCount];
  WDE_EACH(i, kCount) {
    v[i] = hn::Add(hn::Load(d, sums + at + i * kLanes),
                   hn::LoadU(d, bias + (at + i * kLanes) % width));
  }
  ActivateAs<TY>(activation, v);
  WDE_EACH(i, kCount) hn::Store(v[i], d, sums + at + i * kLanes);
}

template <class TY>
HWY_INLINE void activate_tile(Activation activation, const float* bias, const TilePlace& place,
                              float* sums) {
  constexpr int64_t kLanes = HWY_LANES(float);
  const int64_t floats = place.rows * place.width;
  int64_t at = 0;
  for (; at + 4 * kLanes <= floats; at += 4 * kLanes) {
    activate_vectors<4, TY>(activation, bias, place.width, at, sums);
  }
  for (; at < floats; at += kLanes)
    activate_vectors<1, TY>(activation, bias, place.width, at, sums);
}

// y = sums + bias + residual for `columns` values of one row; bias and residual may be null.
template <class TY>
HWY_INLINE void store_row(const float* sums, const float* bias, const TY* residual, TY* y,
                          int64_t columns) {
  const hn::ScalableTag<float> d;
  constexpr int64_t kLanes = HWY_LANES(float);
  int64_t c = 0;
  for (; c + kLanes <= columns; c += kLanes) {
    auto v = hn::Load(d, sums + c);
    if (bias != nullptr) v = hn::Add(v, hn::LoadU(d, bias + c));
    if (residual != nullptr) v = hn::Add(v, LoadF32(d, residual + c));
    StoreF32(v, d, y + c);
  }
  if (c == columns) return;
  const auto rest = static_cast<size_t>(columns - c);
  auto v = hn::Load(d, sums + c);
  if (bias != nullptr) v = hn::Add(v, hn::LoadU(d, bias + c));
  if (residual != nullptr) v = hn::Add(v, LoadF32N(d, residual + c, rest));
  StoreF32N(v, d, y + c, rest);
}

// y = activation(sums + bias) + residual. `sums` is scratch.
template <class TY>
void finish_tile(const TiledMatrix& matrix, const GemmArgs& args, const TilePlace& place,
                 float* sums) {
  const float* bias = matrix.bias + place.first_column;
  if (matrix.activation != Activation::kNone) {
    activate_tile<TY>(matrix.activation, bias, place, sums);
  }
  if (matrix.activation != Activation::kNone) bias = nullptr;
  const int64_t columns = std::min(place.width, matrix.n - place.first_column);
  for (int64_t i = 0; i < place.rows; ++i) {
    const int64_t row = place.first_row + i;
    const TY* residual = args.residual.as<TY>();
    if (residual != nullptr) residual += row * args.residual.row_stride + place.first_column;
    store_row(sums + i * place.width, bias, residual,
              args.y.as<TY>() + row * args.y.row_stride + place.first_column, columns);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
