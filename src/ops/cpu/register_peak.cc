#include "ops/cpu/register_peak.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>  // HWCAP_ as well
#endif

namespace wde::ops {
namespace {

constexpr int kRounds = 100000;
constexpr int kSums = 10;  // independent: two pipes of latency 4 need 8
constexpr int kAttempts = 5;

// A loop of kRounds x kSums instructions of `flops` each.
struct Loop {
  void (*run)() = nullptr;
  int flops = 0;
};

// void name(): a loop of `instruction`, which adds products of %1 to %0, vectors in registers of
// the assembler's class `kind`. A macro, since instruction and target must be literals.
#define WDE_PEAK_LOOP(name, attributes, kind, Vector, start, operand, instruction) \
  attributes void name() {                                                         \
    Vector sums[kSums];                                                            \
    for (Vector & sum : sums) sum = start;                                         \
    const auto factor = operand;                                                   \
    for (int round = 0; round < kRounds; ++round) {                                \
      _Pragma("GCC unroll 10") for (Vector & sum : sums) {                         \
        asm volatile(instruction : "+" kind(sum) : kind(factor));                  \
      }                                                                            \
    }                                                                              \
  }

#if defined(__x86_64__)

#define WDE_TARGET(names) __attribute__((target(names)))

WDE_PEAK_LOOP(f32_avx2, WDE_TARGET("avx2,fma"), "x", __m256, _mm256_set1_ps(0.001f),
              _mm256_set1_ps(0.999f), "vfmadd213ps %1, %1, %0")
WDE_PEAK_LOOP(f32_avx512, WDE_TARGET("avx512f"), "v", __m512, _mm512_set1_ps(0.001f),
              _mm512_set1_ps(0.999f), "vfmadd213ps %1, %1, %0")
WDE_PEAK_LOOP(bf16_avx512, WDE_TARGET("avx512f,avx512bf16"), "v", __m512, _mm512_set1_ps(0.001f),
              _mm512_set1_ps(0.001f), "vdpbf16ps %1, %1, %0")
WDE_PEAK_LOOP(s8_avx512, WDE_TARGET("avx512f,avx512vnni"), "v", __m512i, _mm512_set1_epi32(1),
              _mm512_set1_epi32(0x01010101), "vpdpbusd %1, %1, %0")

#undef WDE_TARGET

// Without VNNI the exact way is in 16 bits: pairs of products, then their sum into 32 bits.
__attribute__((target("avx2"))) void s8_avx2() {
  __m256i sums[kSums];
  for (__m256i& sum : sums) sum = _mm256_set1_epi32(1);
  const __m256i factor = _mm256_set1_epi32(0x00010001);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 10
    for (__m256i& sum : sums) {
      __m256i products;
      asm volatile("vpmaddwd %2, %2, %1\n\tvpaddd %1, %0, %0"
                   : "+x"(sum), "=&x"(products)
                   : "x"(factor));
    }
  }
}

Loop loop_for(DType dtype) {
  __builtin_cpu_init();
  const bool avx512 = __builtin_cpu_supports("avx512f");
  if (dtype == DType::kI8) {
    if (avx512 && __builtin_cpu_supports("avx512vnni")) return {s8_avx512, 128};
    if (__builtin_cpu_supports("avx2")) return {s8_avx2, 32};
    return {};
  }
  if (dtype == DType::kBF16 && avx512 && __builtin_cpu_supports("avx512bf16")) {
    return {bf16_avx512, 64};
  }
  if (avx512) return {f32_avx512, 32};
  if (__builtin_cpu_supports("fma")) return {f32_avx2, 16};
  return {};
}

#elif defined(__aarch64__)

WDE_PEAK_LOOP(f32_neon, , "w", float32x4_t, vdupq_n_f32(0.001f), vdupq_n_f32(0.001f),
              "fmla %0.4s, %1.4s, %1.4s")
WDE_PEAK_LOOP(bf16_neon, , "w", float32x4_t, vdupq_n_f32(0.001f), vdupq_n_f32(0.001f),
              ".arch armv8.2-a+bf16\n\tbfdot %0.4s, %1.8h, %1.8h")
WDE_PEAK_LOOP(s8_neon_dot, , "w", int32x4_t, vdupq_n_s32(1), vdupq_n_s8(1),
              ".arch armv8.2-a+dotprod\n\tsdot %0.4s, %1.16b, %1.16b")
// Without dot products the exact way is in 16 bits.
WDE_PEAK_LOOP(s8_neon, , "w", int32x4_t, vdupq_n_s32(1), vdupq_n_s16(1),
              "smlal %0.4s, %1.4h, %1.4h")

Loop loop_for(DType dtype) {
  const bool dot = (::getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  const bool bf16 = (::getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0;
  if (dtype == DType::kI8) return dot ? Loop{s8_neon_dot, 32} : Loop{s8_neon, 8};
  return dtype == DType::kBF16 && bf16 ? Loop{bf16_neon, 16} : Loop{f32_neon, 8};
}

#else

Loop loop_for(DType) { return {}; }

#endif
#undef WDE_PEAK_LOOP

}  // namespace

double register_peak_gflops(DType dtype, int threads) {
  const Loop loop = loop_for(dtype);
  if (loop.run == nullptr) return 0;
  std::barrier line(threads);
  std::vector<double> seconds(kAttempts, 0);
  const auto work = [&](bool leads) {
    for (double& took : seconds) {
      line.arrive_and_wait();
      const auto begin = std::chrono::steady_clock::now();
      loop.run();
      line.arrive_and_wait();
      if (leads)
        took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
  };
  {
    std::vector<std::jthread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back(work, false);
    work(true);
  }
  const double best = *std::min_element(seconds.begin(), seconds.end());
  return static_cast<double>(loop.flops) * kSums * kRounds * threads / best * 1e-9;
}

}  // namespace wde::ops
