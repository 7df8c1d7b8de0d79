// Which instruction sets the CPU kernels are compiled for. Included before any Highway header by
// every kernel source, so that all of them agree. x86: "portable" (HWY_SCALAR, or HWY_EMU128 where
// the compiler is not known to miscompile it: plain C++ for the baseline), HWY_AVX2 (with FMA and
// F16C), HWY_AVX3 ("avx512": F, BW, DQ, VL) and HWY_AVX3_DL, which is Ice Lake's to Highway and
// "avx512_bf16" to us: where AVX-512 BF16 is, the rest is too. Highway 1.0.3 has SSSE3 and SSE4
// too; no machine we serve gains from them, and each would cost another compilation. ARM64:
// "portable", and HWY_NEON ("neon" and, with instructions that Highway does not know of,
// "neon_dot" and "neon_bf16"). SVE would take a compilation for each length of its vectors.
#pragma once

#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_SVE | HWY_SVE_256 | HWY_SVE2 | HWY_SVE2_128)
#define HWY_WANT_AVX3_DL
// Otherwise a target that the compiler may assume anyway (-march=native) would drop the ones below
// it, and a forced "portable" or "avx2" would not exist.
#define HWY_COMPILE_ALL_ATTAINABLE

#include "hwy/detect_targets.h"

// The namespace of the "portable" kernels.
#if HWY_TARGETS & HWY_EMU128
#define WDE_HWY_PORTABLE N_EMU128
#else
#define WDE_HWY_PORTABLE N_SCALAR
#endif

// In a kernel source: whether what is being compiled has vectors of 512 bits.
#define WDE_HWY_AVX512 (HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL)
