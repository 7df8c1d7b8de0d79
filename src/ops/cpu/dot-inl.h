// Products of f32 and of bf16 numbers summed in f32: what is multiplied at once, per dtype and
// instruction set. A Highway "-inl" header, as vector_math-inl.h. Each has
//   Element, Operand                  what lies in memory, and a vector of it
//   kGroup                            neighbouring elements that one lane multiplies and sums
//   Load(), Broadcast()               a vector of groups; one group for all lanes, in whatever
//                                     form MultiplyAdd() takes it
//   MultiplyAdd()                     sum + the products of the lanes' groups

#if defined(WDE_OPS_CPU_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_OPS_CPU_DOT_INL_H_
#undef WDE_OPS_CPU_DOT_INL_H_
#else
#define WDE_OPS_CPU_DOT_INL_H_
#endif

#include <cstring>

#include "base/dtype.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace wde::ops {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_NEON

// What the assembler may take: Highway compiles for less than products of bf16 and int8 need.
#ifndef WDE_ARCH_WITH_DOT
#define WDE_ARCH_WITH_DOT ".arch armv8.2-a+crypto+dotprod+bf16\n\t"
#endif

// The 32 bits at x in lane 0 of a register, from where instructions multiply by them. GCC would
// load them into all lanes, even for an intrinsic that multiplies by one, and on many cores that
// occupies the units that multiply: so it sees one instruction.
template <class X>
HWY_INLINE float LoadLane(const X* x) {
  float bits;
  std::memcpy(&bits, x, sizeof(bits));
  return bits;
}

#endif

struct F32Dot {
  using Tag = hn::ScalableTag<float>;
  using Element = float;
  using Operand = hn::Vec<Tag>;
  static constexpr int kGroup = 1;

  static HWY_INLINE Operand Load(const float* from) { return hn::LoadU(Tag(), from); }
#if HWY_TARGET == HWY_NEON
  static HWY_INLINE float Broadcast(const float* from) { return LoadLane(from); }
  static HWY_INLINE hn::Vec<Tag> MultiplyAdd(float a, Operand b, hn::Vec<Tag> sum) {
    asm("fmla %[sum].4s, %[b].4s, %[a].s[0]" : [sum] "+w"(sum.raw) : [a] "w"(a), [b] "w"(b.raw));
    return sum;
  }
#else
  static HWY_INLINE Operand Broadcast(const float* from) { return hn::Set(Tag(), *from); }
  static HWY_INLINE hn::Vec<Tag> MultiplyAdd(Operand a, Operand b, hn::Vec<Tag> sum) {
    return hn::MulAdd(a, b, sum);
  }
#endif
};

#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON

// AVX-512 BF16: the second product of a pair first, each sum rounded once. ARM64's "neon_bf16": the
// products, their sum and the whole each rounded to odd. Subnormals are zero.
struct Bf16Dot {
  using Tag = hn::ScalableTag<float>;
  using Element = bf16;
  using Operand = hn::Vec<hn::ScalableTag<int32_t>>;
  static constexpr int kGroup = 2;

  static HWY_INLINE Operand Load(const bf16* from) {
    return hn::LoadU(hn::ScalableTag<int32_t>(), reinterpret_cast<const int32_t*>(from));
  }
#if HWY_TARGET == HWY_NEON
  static HWY_INLINE float Broadcast(const bf16* from) { return LoadLane(from); }
  static HWY_INLINE hn::Vec<Tag> MultiplyAdd(float a, Operand b, hn::Vec<Tag> sum) {
    asm(WDE_ARCH_WITH_DOT "bfdot %[sum].4s, %[b].8h, %[a].2h[0]"
        : [sum] "+w"(sum.raw)
        : [a] "w"(a), [b] "w"(b.raw));
    return sum;
  }
#else
  static HWY_INLINE Operand Broadcast(const bf16* from) {
    int32_t pair;
    std::memcpy(&pair, from, sizeof(pair));
    return hn::Set(hn::ScalableTag<int32_t>(), pair);
  }
  static HWY_INLINE hn::Vec<Tag> MultiplyAdd(Operand a, Operand b, hn::Vec<Tag> sum) {
    asm("vdpbf16ps %[b], %[a], %[sum]" : [sum] "+v"(sum.raw) : [a] "v"(a.raw), [b] "v"(b.raw));
    return sum;
  }
#endif
};

#endif

}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
