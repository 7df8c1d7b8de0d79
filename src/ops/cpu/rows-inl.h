// Rows of f32 or bf16 by vectors of f32, the last one of a row in part. A Highway "-inl" header, as
// vector_math-inl.h.

#if defined(WDE_OPS_CPU_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_OPS_CPU_ROWS_INL_H_
#undef WDE_OPS_CPU_ROWS_INL_H_
#else
#define WDE_OPS_CPU_ROWS_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "ops/cpu/vector_math-inl.h"
#include "tensor/tensor.h"

HWY_BEFORE_NAMESPACE();
namespace wde::ops {
namespace HWY_NAMESPACE {
namespace rows {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int64_t kLanes = HWY_LANES(float);

template <class T>
const T* row_of(const TensorView& view, int64_t row) {
  return view.as<const T>() + row * view.row_stride;
}

template <class T>
T* mutable_row_of(const TensorView& view, int64_t row) {
  return view.as<T>() + row * view.row_stride;
}

// `count` lanes, which is kLanes but at the end of a row.
template <class T>
HWY_INLINE V load(const T* from, int64_t count) {
  const D d;
  return count == kLanes ? LoadF32(d, from) : LoadF32N(d, from, static_cast<size_t>(count));
}

template <class T>
HWY_INLINE void store(V v, T* to, int64_t count) {
  const D d;
  if (count == kLanes) return StoreF32(v, d, to);
  StoreF32N(v, d, to, static_cast<size_t>(count));
}

}  // namespace rows
}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
