// The activations of ops.h on vectors. A Highway "-inl" header, as vector_math-inl.h.

#if defined(WDE_OPS_CPU_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_OPS_CPU_ACTIVATION_INL_H_
#undef WDE_OPS_CPU_ACTIVATION_INL_H_
#else
#define WDE_OPS_CPU_ACTIVATION_INL_H_
#endif

#include <type_traits>

#include "hwy/highway.h"
#include "ops/cpu/vector_math-inl.h"
#include "ops/ops.h"

HWY_BEFORE_NAMESPACE();
namespace wde::ops {
namespace HWY_NAMESPACE {

template <class D>
HWY_INLINE hn::Vec<D> Activate(D d, Activation activation, hn::Vec<D> x) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kGeluErf:
      return GeluErf(d, x);
    case Activation::kGeluTanh:
      return GeluTanh(d, x);
    case Activation::kQuickGelu:
      return hn::Mul(x, Sigmoid(d, hn::Mul(x, hn::Set(d, 1.702f))));
    case Activation::kRelu:
      return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Zero(d), x);
    case Activation::kSilu:
      return hn::Mul(x, Sigmoid(d, x));
    case Activation::kTanh:
      return Tanh(d, x);
    case Activation::kSigmoid:
      return Sigmoid(d, x);
  }
  return x;
}

// v = activation(v), as exactly as Exactness can tell: float, bf16, or int8_t, whose values are
// steps of a row's range. The activation that models use in every block gets its loops without the
// choice inside.
template <class Exactness, int kCount>
HWY_INLINE void ActivateAs(Activation activation, hn::Vec<hn::ScalableTag<float>> (&v)[kCount]) {
  const hn::ScalableTag<float> d;
  if (activation == Activation::kGeluErf) {
#if WDE_HWY_AVX512
    if constexpr (std::is_same_v<Exactness, int8_t>) return GeluErfOfBytes<kCount>(d, v);
    if constexpr (std::is_same_v<Exactness, bf16>) return GeluErfCoarse<kCount>(d, v);
#endif
    return GeluErf<kCount>(d, v);
  }
  WDE_EACH(i, kCount) v[i] = Activate(d, activation, v[i]);
}

}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
