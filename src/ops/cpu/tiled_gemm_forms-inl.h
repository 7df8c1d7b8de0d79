// How a product is computed, by the dtype of x, the weights and the instructions there are: what a
// step of k multiplies, and what copies of rows and weights look like for it. A Highway "-inl"
// header, as vector_math-inl.h. Each form has
//   X, Packed       elements of the rows and of the packed weights as they are multiplied
//   Sum, Operand    vectors of sums, and of what is multiplied
//   kGroup          values of k that a step sums
//   kInPlace        rows of x may be multiplied where they lie
//   LoadPanel(), Broadcast(), MultiplyAdd()  the parts of a step
//   Measure()       what a row's copy depends on
//   Prepare()       one row of x into its copy, which is a whole number of lines

#if defined(WDE_OPS_CPU_TILED_GEMM_FORMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_OPS_CPU_TILED_GEMM_FORMS_INL_H_
#undef WDE_OPS_CPU_TILED_GEMM_FORMS_INL_H_
#else
#define WDE_OPS_CPU_TILED_GEMM_FORMS_INL_H_
#endif

#include <algorithm>
#include <cstring>
#include <limits>

#include "hwy/highway.h"
#include "ops/cpu/dot-inl.h"
#include "ops/cpu/quantize_row-inl.h"
#include "ops/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace wde::ops {
namespace HWY_NAMESPACE {
namespace forms {

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
using D32 = hn::ScalableTag<int32_t>;
using V32 = hn::Vec<D32>;
constexpr int64_t kLanes = HWY_LANES(float);

// ------------------------------------------------------------------ f32

struct F32 : F32Dot {
  using X = float;
  using Packed = float;
  using Sum = V;
  static constexpr bool kInPlace = true;

  static HWY_INLINE void LoadPanel(const float* from, V& low, V& high) {
    low = Load(from);
    high = Load(from + kLanes);
  }
  template <class TX>
  static RowRange Measure(const TX* /*row*/, int64_t /*k*/) {
    return {};
  }
  static RowScale Prepare(const float* row, int64_t k, const RowRange& /*range*/, float* to) {
    std::copy_n(row, k, to);
    return {};
  }
};

// ------------------------------------------------------------------ bf16

// Widened to f32 on the way: the columns c and c + kLanes share a word, c in its lower half.
struct WidenedBf16 : F32 {
  using Packed = bf16;
  static constexpr bool kInPlace = false;

  static HWY_INLINE void LoadPanel(const bf16* from, V& low, V& high) {
    const D d;
    const hn::RebindToUnsigned<D> du;
    const auto words = hn::Load(du, reinterpret_cast<const uint32_t*>(from));
    low = hn::BitCast(d, hn::ShiftLeft<16>(words));
    high = hn::BitCast(d, hn::And(words, hn::Set(du, 0xffff0000u)));
  }
  static RowScale Prepare(const bf16* row, int64_t k, const RowRange& /*range*/, float* to) {
    EachVector(row, k, [&](int64_t i, V v) HWY_ATTR { hn::Store(v, D(), to + i); });
    return {};
  }
};

#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON

struct Bf16Pairs : Bf16Dot {
  using X = bf16;
  using Packed = bf16;
  using Sum = V;
  static constexpr bool kInPlace = true;

  static HWY_INLINE void LoadPanel(const bf16* from, Operand& low, Operand& high) {
    low = Load(from);
    high = Load(from + kGroup * kLanes);
  }
  static RowRange Measure(const bf16* /*row*/, int64_t /*k*/) { return {}; }
  static RowScale Prepare(const bf16* row, int64_t k, const RowRange& /*range*/, bf16* to) {
    std::copy_n(row, k, to);
    return {};
  }
};

#endif

// ------------------------------------------------------------------ codes

// The checkpoint's codes: a slice of a panel becomes f32, or bf16 where that is multiplied, before
// the block's tiles use it, all of which share that work.
struct DecodedF32 : F32 {
  static constexpr bool kDecodes = true;
};

// With x in bf16, widened.
struct DecodedWidenedBf16 : WidenedBf16 {
  using Packed = float;
  static constexpr bool kDecodes = true;

  static HWY_INLINE void LoadPanel(const float* from, V& low, V& high) {
    F32::LoadPanel(from, low, high);
  }
};

#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON

struct DecodedBf16Pairs : Bf16Pairs {
  static constexpr bool kDecodes = true;
};

#endif

template <class Form>
concept Decodes = requires {
  Form::kDecodes;
};

// ------------------------------------------------------------------ int8

// Pairs of k in 16 bits, exact: x may then have more than 8 bits for nothing.
struct Int8Pairs {
  using X = int16_t;
  using Packed = int8_t;
  using Sum = V32;
  static constexpr int64_t kGroup = 2;
  static constexpr bool kInPlace = false;

#if HWY_TARGET == HWY_AVX2 || WDE_HWY_AVX512
  using D16 = hn::ScalableTag<int16_t>;
  using Operand = hn::Vec<D16>;

  static HWY_INLINE void LoadPanel(const int8_t* from, Operand& low, Operand& high) {
    const D16 d;
    const hn::Rebind<int8_t, D16> d8;
    low = hn::PromoteTo(d, hn::Load(d8, from));
    high = hn::PromoteTo(d, hn::Load(d8, from + 2 * kLanes));
  }
  static HWY_INLINE Operand Broadcast(const int16_t* x) {
    int32_t pair;
    std::memcpy(&pair, x, sizeof(pair));
    return hn::BitCast(D16(), hn::Set(D32(), pair));
  }
  // Each 32-bit lane gains the products of its two 16-bit pairs. Integer additions may be
  // reordered, and GCC would, all products first and in memory: so it sees one instruction.
  static HWY_INLINE V32 MultiplyAdd(Operand x, Operand weights, V32 sum) {
    Operand products;
    asm("vpmaddwd %[weights], %[x], %[products]\n\tvpaddd %[products], %[sum], %[sum]"
        : [sum] "+v"(sum.raw), [products] "=&v"(products.raw)
        : [x] "v"(x.raw), [weights] "v"(weights.raw));
    return sum;
  }
#elif HWY_TARGET == HWY_NEON
  struct Operand {  // half a vector a value of k
    int16x4_t even, odd;
  };

  static HWY_INLINE void LoadPanel(const int8_t* from, Operand& low, Operand& high) {
    const int8x8x2_t columns = vld2_s8(from);
    const int16x8_t even = vmovl_s8(columns.val[0]);
    const int16x8_t odd = vmovl_s8(columns.val[1]);
    low = {vget_low_s16(even), vget_low_s16(odd)};
    high = {vget_high_s16(even), vget_high_s16(odd)};
  }
  static HWY_INLINE int16x4_t Broadcast(const int16_t* x) {
    return vreinterpret_s16_f32(vset_lane_f32(LoadLane(x), vdup_n_f32(0), 0));
  }
  static HWY_INLINE V32 MultiplyAdd(int16x4_t x, const Operand& weights, V32 sum) {
    return V32(vmlal_lane_s16(vmlal_lane_s16(sum.raw, weights.even, x, 0), weights.odd, x, 1));
  }
#else
  struct Operand {  // one vector a value of k
    V32 even, odd;
  };

  // Every other element, from `from` on.
  static HWY_INLINE V32 LoadEveryOther(const int8_t* from) {
    HWY_ALIGN int32_t lanes[kLanes];
    for (int64_t i = 0; i < kLanes; ++i) lanes[i] = from[2 * i];
    return hn::Load(D32(), lanes);
  }
  static HWY_INLINE void LoadPanel(const int8_t* from, Operand& low, Operand& high) {
    low = {LoadEveryOther(from), LoadEveryOther(from + 1)};
    high = {LoadEveryOther(from + 2 * kLanes), LoadEveryOther(from + 2 * kLanes + 1)};
  }
  static HWY_INLINE Operand Broadcast(const int16_t* x) {
    const D32 d;
    return {hn::Set(d, x[0]), hn::Set(d, x[1])};
  }
  static HWY_INLINE V32 MultiplyAdd(Operand x, Operand weights, V32 sum) {
    return hn::Add(sum, hn::Add(hn::Mul(x.even, weights.even), hn::Mul(x.odd, weights.odd)));
  }
#endif

  // The largest value of a quantized x: sums of k products with weights up to 127 must fit 32 bits.
  static int32_t Most(int64_t k) {
    constexpr int64_t kMost = 2047;
    return static_cast<int32_t>(std::clamp<int64_t>(
        std::numeric_limits<int32_t>::max() / (127 * std::max<int64_t>(k, 1)), 127, kMost));
  }
  template <class TX>
  static RowRange Measure(const TX* row, int64_t k) {
    return FindRange(row, k);
  }
  template <class TX>
  static RowScale Prepare(const TX* row, int64_t k, const RowRange& range, int16_t* to) {
    return QuantizeSigned(row, k, range, Most(k), to);
  }
};

#if WDE_HWY_AVX512 || HWY_TARGET == HWY_NEON

// Quads of k. AVX-512 VNNI: unsigned x times signed weights; ARM64's "neon_dot": both signed.
struct Int8Quads {
#if HWY_TARGET == HWY_NEON
  using X = int8_t;
#else
  using X = uint8_t;
#endif
  using Packed = int8_t;
  using Sum = V32;
  using Operand = V32;
  static constexpr int64_t kGroup = 4;
  static constexpr bool kInPlace = false;

  static HWY_INLINE void LoadPanel(const int8_t* from, V32& low, V32& high) {
    const D32 d;
    low = hn::Load(d, reinterpret_cast<const int32_t*>(from));
    high = hn::Load(d, reinterpret_cast<const int32_t*>(from + 4 * kLanes));
  }
#if HWY_TARGET == HWY_NEON
  static HWY_INLINE float Broadcast(const int8_t* x) { return LoadLane(x); }
  static HWY_INLINE V32 MultiplyAdd(float x, V32 weights, V32 sum) {
    asm(WDE_ARCH_WITH_DOT "sdot %[sum].4s, %[weights].16b, %[x].4b[0]"
        : [sum] "+w"(sum.raw)
        : [x] "w"(x), [weights] "w"(weights.raw));
    return sum;
  }
#else
  static HWY_INLINE V32 Broadcast(const uint8_t* x) {
    int32_t quad;
    std::memcpy(&quad, x, sizeof(quad));
    return hn::Set(D32(), quad);
  }
  static HWY_INLINE V32 MultiplyAdd(V32 x, V32 weights, V32 sum) {
    asm("vpdpbusd %[weights], %[x], %[sum]"
        : [sum] "+v"(sum.raw)
        : [x] "v"(x.raw), [weights] "v"(weights.raw));
    return sum;
  }
#endif

  template <class TX>
  static RowRange Measure(const TX* row, int64_t k) {
    return FindRange(row, k);
  }
  template <class TX>
  static RowScale Prepare(const TX* row, int64_t k, const RowRange& range, X* to) {
    return QuantizeAffine(row, k, range, to);
  }
};

#endif

}  // namespace forms
}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
