// Vector building blocks of the CPU kernels, for any Highway float tag `d`: loads and stores of f32
// and bf16 (as f32 lanes), whole and partial; exp, tanh, sigmoid and erf-GELU; sums with a fixed
// order. A Highway "-inl" header: a kernel source includes it after hwy/highway.h, once per
// instruction set, and everything lives in that set's namespace. A result depends on the lane's
// input alone, so whole and partial vectors give the same bits.

#if defined(WDE_OPS_CPU_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_OPS_CPU_VECTOR_MATH_INL_H_
#undef WDE_OPS_CPU_VECTOR_MATH_INL_H_
#else
#define WDE_OPS_CPU_VECTOR_MATH_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/dtype.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace wde::ops {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// ------------------------------------------------------------------ loads and stores

template <class D>
HWY_INLINE hn::Vec<D> LoadF32(D d, const float* from) {
  return hn::LoadU(d, from);
}

template <class D>
HWY_INLINE hn::Vec<D> LoadF32(D d, const bf16* from) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::Rebind<uint32_t, D> d32;
  const auto bits = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(from));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, bits)));
}

// The first `count` lanes (0 <= count <= Lanes(d)) from memory, the others zero; touches no memory
// beyond them.
template <class D>
HWY_INLINE hn::Vec<D> LoadF32N(D d, const float* from, size_t count) {
#if HWY_TARGET == HWY_AVX2 || WDE_HWY_AVX512
  return hn::MaskedLoad(hn::FirstN(d, count), d, from);
#else
  HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)] = {};
  if (count != 0) std::memcpy(lanes, from, count * sizeof(float));
  return hn::Load(d, lanes);
#endif
}

template <class D>
HWY_INLINE hn::Vec<D> LoadF32N(D d, const bf16* from, size_t count) {
  HWY_ALIGN bf16 lanes[HWY_MAX_BYTES / sizeof(bf16)] = {};
  if (count != 0) std::memcpy(lanes, from, count * sizeof(bf16));
  return LoadF32(d, lanes);
}

template <class D>
HWY_INLINE void StoreF32(hn::Vec<D> v, D d, float* to) {
  hn::StoreU(v, d, to);
}

// The bits of bf16 numbers.
template <class D>
using Bf16Bits = hn::Vec<hn::Rebind<uint16_t, D>>;

#if HWY_TARGET == HWY_AVX3_DL
// To nearest, ties to even; subnormals to zero.
template <class D>
HWY_INLINE Bf16Bits<D> RoundToBf16(D /*d*/, hn::Vec<D> v) {
  Bf16Bits<D> words;
  asm("vcvtneps2bf16 %[v], %[words]" : [words] "=v"(words.raw) : [v] "v"(v.raw));
  return words;
}
#else
// To nearest, ties to even, NaN to quiet NaN: the bits of to_bf16(). (Highway 1.0.3's own DemoteTo
// truncates.)
template <class D>
HWY_INLINE Bf16Bits<D> RoundToBf16(D /*d*/, hn::Vec<D> v) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::Rebind<uint32_t, D> d32;
  const hn::Rebind<int32_t, D> di32;
  const auto bits = hn::BitCast(d32, v);
  const auto upper = hn::ShiftRight<16>(bits);
  const auto lowest_kept = hn::And(upper, hn::Set(d32, 1u));
  const auto rounded =
      hn::ShiftRight<16>(hn::Add(bits, hn::Add(lowest_kept, hn::Set(d32, 0x7fffu))));
  const auto quiet_nan = hn::Or(upper, hn::Set(d32, 0x40u));
  const auto is_nan = hn::RebindMask(d32, hn::IsNaN(v));
  const auto result = hn::IfThenElse(is_nan, quiet_nan, rounded);
  return hn::DemoteTo(d16, hn::BitCast(di32, result));
}
#endif

template <class D>
HWY_INLINE void StoreF32(hn::Vec<D> v, D d, bf16* to) {
  hn::StoreU(RoundToBf16(d, v), hn::Rebind<uint16_t, D>(), reinterpret_cast<uint16_t*>(to));
}

// The first `count` lanes; touches no memory beyond them.
template <class D>
HWY_INLINE void StoreF32N(hn::Vec<D> v, D d, float* to, size_t count) {
#if HWY_TARGET == HWY_AVX2 || WDE_HWY_AVX512
  hn::BlendedStore(v, hn::FirstN(d, count), d, to);
#else
  HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)];
  hn::Store(v, d, lanes);
  if (count != 0) std::memcpy(to, lanes, count * sizeof(float));
#endif
}

template <class D>
HWY_INLINE void StoreF32N(hn::Vec<D> v, D d, bf16* to, size_t count) {
  HWY_ALIGN bf16 lanes[HWY_MAX_BYTES / sizeof(bf16)];
  StoreF32(v, d, lanes);
  if (count != 0) std::memcpy(to, lanes, count * sizeof(bf16));
}

// ------------------------------------------------------------------ across lanes

// The order of additions is fixed by the lane count alone.
template <class D>
HWY_INLINE float SumLanes(D d, hn::Vec<D> v) {
  return hn::GetLane(hn::SumOfLanes(d, v));
}

template <class D>
HWY_INLINE float MaxLanes(D d, hn::Vec<D> v) {
  return hn::GetLane(hn::MaxOfLanes(d, v));
}

// ------------------------------------------------------------------ functions

// x = n + rest with n the nearest integer, |x| < 2^21: adding 1.5 * 2^23 leaves n in the low bits.
template <class D>
struct NearestPower {
  hn::Vec<D> n;
  hn::Vec<D> power;  // 2^n for n in [-127, 128], where -127 gives 0 and 128 infinity
};

template <class D>
HWY_INLINE NearestPower<D> SplitShifted(D d, hn::Vec<D> shifted) {
  const hn::RebindToSigned<D> di;
  const auto exponent = hn::Add(hn::BitCast(di, shifted), hn::Set(di, 127));
  return {hn::Sub(shifted, hn::Set(d, 12582912.0f)), hn::BitCast(d, hn::ShiftLeft<23>(exponent))};
}

// exp(x) to 1 ulp. Results below the smallest normal number (x < -87.33) are 0, x > 88.37 gives
// infinity, exp(0) is exactly 1, NaN stays NaN. 1 + r + r^2 P(r) on |r| <= ln(2) / 2, where P is
// the minimax polynomial (tools/fit_vector_math.py; error 3e-9).
template <class D>
HWY_INLINE hn::Vec<D> Exp(D d, hn::Vec<D> x) {
  const auto lowest = hn::Set(d, -87.336544f);
  const auto bounded = hn::Min(hn::Max(x, lowest), hn::Set(d, 89.0f));
  const auto split =
      SplitShifted(d, hn::MulAdd(bounded, hn::Set(d, 1.44269504f), hn::Set(d, 12582912.0f)));
  auto r = hn::NegMulAdd(split.n, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(split.n, hn::Set(d, -2.12194440e-4f), r);
  const auto r2 = hn::Mul(r, r);
  const auto p01 = hn::MulAdd(r, hn::Set(d, 0.16666520f), hn::Set(d, 0.49999994f));
  const auto p23 = hn::MulAdd(r, hn::Set(d, 0.0083687808f), hn::Set(d, 0.041668393f));
  auto p = hn::MulAdd(r2, hn::Set(d, 0.0013814467f), p23);
  p = hn::MulAdd(p, r2, p01);
  p = hn::MulAdd(p, r2, hn::Add(r, hn::Set(d, 1.0f)));
  return hn::IfThenElse(hn::Lt(x, lowest), hn::Zero(d), hn::Mul(p, split.power));
}

// Several independent vectors at once, step by step, so that the latency of one hides behind the
// others: a core looks ahead too little to find that in one vector after the other. Only loops that
// are gone early enough let the compiler keep the arrays in registers.
#ifndef WDE_EACH
#define WDE_EACH(i, count) _Pragma("GCC unroll 8") for (int i = 0; i < count; ++i)
#endif

// 2^x for x in [-126, 127] (not checked), to 1 ulp.
template <int kCount, class D>
HWY_INLINE void Exp2Bounded(D d, hn::Vec<D> (&x)[kCount]) {
  using V = hn::Vec<D>;
  V power[kCount], r2[kCount], p[kCount];
  WDE_EACH(i, kCount) {
    const auto split = SplitShifted(d, hn::Add(x[i], hn::Set(d, 12582912.0f)));
    x[i] = hn::Sub(x[i], split.n);
    power[i] = split.power;
  }
  WDE_EACH(i, kCount) r2[i] = hn::Mul(x[i], x[i]);
  WDE_EACH(i, kCount) {
    p[i] = hn::MulAdd(x[i], hn::Set(d, 0.00133990031f), hn::Set(d, 0.00961843878f));
    p[i] = hn::MulAdd(r2[i], hn::Set(d, 1.53532586e-4f), p[i]);
  }
  WDE_EACH(i, kCount) {
    const V p23 = hn::MulAdd(x[i], hn::Set(d, 0.0555033199f), hn::Set(d, 0.240226477f));
    p[i] = hn::MulAdd(p[i], r2[i], p23);
  }
  WDE_EACH(i, kCount) {
    const V p01 = hn::MulAdd(x[i], hn::Set(d, 0.693147182f), hn::Set(d, 1.0f));
    p[i] = hn::MulAdd(p[i], r2[i], p01);
  }
  WDE_EACH(i, kCount) x[i] = hn::Mul(p[i], power[i]);
}

#if WDE_HWY_AVX512
// 2^x to a relative 8e-5, which bf16 does not see; -infinity gives 0, NaN stays NaN.
// x = floor(x) + r, and a minimax polynomial for 2^r (tools/fit_vector_math.py).
template <int kCount, class D>
HWY_INLINE void Exp2Coarse(D d, hn::Vec<D> (&x)[kCount]) {
  using V = hn::Vec<D>;
  constexpr int kToFloor = 0x09;
  V r[kCount], p[kCount];
  WDE_EACH(i, kCount) r[i] = V{_mm512_reduce_ps(x[i].raw, kToFloor)};
  WDE_EACH(i, kCount) {
    p[i] = hn::MulAdd(r[i], hn::Set(d, 0.0780245215f), hn::Set(d, 0.226067156f));
  }
  WDE_EACH(i, kCount) p[i] = hn::MulAdd(p[i], r[i], hn::Set(d, 0.695833564f));
  WDE_EACH(i, kCount) p[i] = hn::MulAdd(p[i], r[i], hn::Set(d, 0.999925196f));
  WDE_EACH(i, kCount) x[i] = V{_mm512_scalef_ps(p[i].raw, x[i].raw)};
}

// GELU to a relative 3e-4 where |x| < 5, as GeluErf below but with degree 4 on [0, 5]; for results
// that are rounded to bf16.
template <int kCount, class D>
HWY_INLINE void GeluErfCoarse(D d, hn::Vec<D> (&x)[kCount]) {
  using V = hn::Vec<D>;
  V a[kCount], g[kCount];
  WDE_EACH(i, kCount) a[i] = hn::Min(hn::Abs(x[i]), hn::Set(d, 5.0f));
  WDE_EACH(i, kCount) {
    g[i] = hn::MulAdd(a[i], hn::Set(d, 0.000277862011f), hn::Set(d, -0.00540531427f));
  }
  WDE_EACH(i, kCount) g[i] = hn::MulAdd(g[i], a[i], hn::Set(d, 0.0468508825f));
  WDE_EACH(i, kCount) g[i] = hn::MulAdd(g[i], a[i], hn::Set(d, 0.465769857f));
  WDE_EACH(i, kCount) g[i] = hn::MulAdd(g[i], a[i], hn::Set(d, 1.14876997f));
  WDE_EACH(i, kCount) g[i] = hn::NegMulAdd(g[i], a[i], hn::Set(d, -1.0f));
  Exp2Coarse<kCount>(d, g);
  // vmaxps gives its second operand where one is NaN.
  WDE_EACH(i, kCount) x[i] = hn::NegMulAdd(a[i], g[i], hn::Max(hn::Zero(d), x[i]));
}

// GELU to an absolute 4e-4, for results that become 255 steps from a row's least to its greatest:
// with Phi(-a) itself the minimax polynomial of degree 6 on [0, 4] (tools/fit_vector_math.py).
template <int kCount, class D>
HWY_INLINE void GeluErfOfBytes(D d, hn::Vec<D> (&x)[kCount]) {
  using V = hn::Vec<D>;
  V a[kCount], p[kCount];
  WDE_EACH(i, kCount) a[i] = hn::Min(hn::Abs(x[i]), hn::Set(d, 4.0f));
  WDE_EACH(i, kCount) {
    p[i] = hn::MulAdd(a[i], hn::Set(d, -0.000642835046f), hn::Set(d, 0.00992111955f));
  }
  WDE_EACH(i, kCount) p[i] = hn::MulAdd(p[i], a[i], hn::Set(d, -0.0575632043f));
  WDE_EACH(i, kCount) p[i] = hn::MulAdd(p[i], a[i], hn::Set(d, 0.139961183f));
  WDE_EACH(i, kCount) p[i] = hn::MulAdd(p[i], a[i], hn::Set(d, -0.0427943096f));
  WDE_EACH(i, kCount) p[i] = hn::MulAdd(p[i], a[i], hn::Set(d, -0.390827984f));
  WDE_EACH(i, kCount) p[i] = hn::MulAdd(p[i], a[i], hn::Set(d, 0.500493765f));
  WDE_EACH(i, kCount) x[i] = hn::NegMulAdd(a[i], p[i], hn::Max(hn::Zero(d), x[i]));
}
#endif

// GELU(x) = x Phi(x) (Hendrycks and Gimpel 2016) = max(x, 0) - |x| Phi(-|x|), and Phi(-a) is
// computed as 2^-(1 + a G(a)) with G the minimax polynomial of degree 9 on [0, 7]
// (tools/fit_vector_math.py): no division, no branch, and the negative tail keeps its relative
// precision. Beyond 7 the second term is at most 1e-11. Absolute error at most 8e-8 max(1, |x|).
template <int kCount, class D>
HWY_INLINE void GeluErf(D d, hn::Vec<D> (&x)[kCount]) {
  using V = hn::Vec<D>;
  V a[kCount], a2[kCount], g[kCount], low[kCount];
  WDE_EACH(i, kCount) a[i] = hn::Min(hn::Abs(x[i]), hn::Set(d, 7.0f));
  WDE_EACH(i, kCount) a2[i] = hn::Mul(a[i], a[i]);
  WDE_EACH(i, kCount) {
    const V g67 = hn::MulAdd(a[i], hn::Set(d, 8.69547239e-6f), hn::Set(d, -6.45565742e-5f));
    const V g89 = hn::MulAdd(a[i], hn::Set(d, 1.90411349e-8f), hn::Set(d, -6.26489339e-7f));
    g[i] = hn::MulAdd(g89, a2[i], g67);
  }
  WDE_EACH(i, kCount) {
    const V g45 = hn::MulAdd(a[i], hn::Set(d, 2.43247501e-4f), hn::Set(d, 6.66016640e-5f));
    g[i] = hn::MulAdd(g[i], a2[i], g45);
  }
  WDE_EACH(i, kCount) {
    const V g01 = hn::MulAdd(a[i], hn::Set(d, 0.459209234f), hn::Set(d, 1.15110528f));
    const V g23 = hn::MulAdd(a[i], hn::Set(d, -0.00701821269f), hn::Set(d, 0.0524830706f));
    low[i] = hn::MulAdd(g23, a2[i], g01);
  }
  WDE_EACH(i, kCount) a2[i] = hn::Mul(a2[i], a2[i]);
  WDE_EACH(i, kCount) g[i] = hn::MulAdd(g[i], a2[i], low[i]);
  WDE_EACH(i, kCount) g[i] = hn::NegMulAdd(g[i], a[i], hn::Set(d, -1.0f));
  Exp2Bounded<kCount>(d, g);
  WDE_EACH(i, kCount) {
    const V result = hn::NegMulAdd(a[i], g[i], hn::Max(x[i], hn::Zero(d)));
    x[i] = hn::IfThenElse(hn::IsNaN(x[i]), x[i], result);
  }
}

template <class D>
HWY_INLINE hn::Vec<D> GeluErf(D d, hn::Vec<D> x) {
  hn::Vec<D> one[1] = {x};
  GeluErf<1>(d, one);
  return one[0];
}

// tanh(x) to 2 ulp: x + x^3 P(x^2) for |x| < 0.625, else 1 - 2 / (exp(2 |x|) + 1) with x's sign.
template <class D>
HWY_INLINE hn::Vec<D> Tanh(D d, hn::Vec<D> x) {
  const auto one = hn::Set(d, 1.0f);
  const auto a = hn::Abs(x);
  const auto u = hn::Mul(x, x);
  auto p = hn::Set(d, -0.00571704516f);
  p = hn::MulAdd(p, u, hn::Set(d, 0.0206505880f));
  p = hn::MulAdd(p, u, hn::Set(d, -0.0537434965f));
  p = hn::MulAdd(p, u, hn::Set(d, 0.133314908f));
  p = hn::MulAdd(p, u, hn::Set(d, -0.333332837f));
  const auto small = hn::MulAdd(hn::Mul(x, u), p, x);
  const auto e = Exp(d, hn::Add(a, a));
  const auto large = hn::Sub(one, hn::Div(hn::Set(d, 2.0f), hn::Add(e, one)));
  return hn::IfThenElse(hn::Lt(a, hn::Set(d, 0.625f)), small, hn::CopySign(large, x));
}

// 1 / (1 + exp(-x)).
template <class D>
HWY_INLINE hn::Vec<D> Sigmoid(D d, hn::Vec<D> x) {
  const auto one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, Exp(d, hn::Neg(x))));
}

// 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
template <class D>
HWY_INLINE hn::Vec<D> GeluTanh(D d, hn::Vec<D> x) {
  const auto cubic = hn::Mul(hn::Mul(x, x), hn::Mul(x, hn::Set(d, 0.044715f)));
  const auto t = Tanh(d, hn::Mul(hn::Add(x, cubic), hn::Set(d, 0.797884561f)));
  const auto half = hn::Mul(x, hn::Set(d, 0.5f));
  return hn::MulAdd(half, t, half);
}

}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
