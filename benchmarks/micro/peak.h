// The fp32 peak of one core, measured: fused multiply-adds on registers, the widest vectors it has.
// Taken in the thread's own CPU time, so that other tenants of the core do not count.
#pragma once

#include <ctime>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>

namespace wde::benchmarks {

inline double thread_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

#if defined(__x86_64__)
constexpr int kPeakRounds = 50000;
constexpr int kPeakSums = 10;  // independent: two pipes of latency 4 need 8

__attribute__((target("avx2,fma"))) inline void multiply_add_avx2() {
  __m256 sums[kPeakSums];
  for (__m256& sum : sums) sum = _mm256_set1_ps(0.001f);
  const __m256 factor = _mm256_set1_ps(0.999f);
  for (int round = 0; round < kPeakRounds; ++round) {
#pragma GCC unroll 10
    for (__m256& sum : sums) {
      asm volatile("vfmadd213ps %1, %1, %0" : "+x"(sum) : "x"(factor));
    }
  }
}

__attribute__((target("avx512f"))) inline void multiply_add_avx512() {
  __m512 sums[kPeakSums];
  for (__m512& sum : sums) sum = _mm512_set1_ps(0.001f);
  const __m512 factor = _mm512_set1_ps(0.999f);
  for (int round = 0; round < kPeakRounds; ++round) {
#pragma GCC unroll 10
    for (__m512& sum : sums) {
      asm volatile("vfmadd213ps %1, %1, %0" : "+v"(sum) : "v"(factor));
    }
  }
}

inline double gflops_of(void (*multiply_add)(), int lanes) {
  double best = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    const double begin = thread_seconds();
    multiply_add();
    const double took = thread_seconds() - begin;
    best = std::max(best, 2.0 * lanes * kPeakSums * kPeakRounds / took * 1e-9);
  }
  return best;
}

// 0 where this build can't measure it.
inline double peak_gflops() {
  __builtin_cpu_init();
  double best = 0;
  if (__builtin_cpu_supports("fma")) best = gflops_of(multiply_add_avx2, 8);
  if (__builtin_cpu_supports("avx512f")) {
    best = std::max(best, gflops_of(multiply_add_avx512, 16));
  }
  return best;
}
#else
inline double peak_gflops() { return 0; }
#endif

}  // namespace wde::benchmarks
