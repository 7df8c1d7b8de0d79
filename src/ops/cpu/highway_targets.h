// Which instruction sets the CPU kernels are compiled for. Included before any Highway header by
// every kernel source, so that all of them agree. x86: "portable" (HWY_SCALAR, or HWY_EMU128 where
// the compiler is not known to miscompile it: plain C++ for the baseline), HWY_AVX2 (with FMA and
// F16C) and HWY_AVX3 ("avx512": F, BW, DQ, VL). Highway 1.0.3 has SSSE3, SSE4 and AVX3_DL too; no
// machine we serve gains from them, and each would cost another compilation. ARM64: "portable" is
// NEON.
#pragma once

#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE_256 | HWY_SVE2 | HWY_SVE2_128)
// Otherwise a target that the compiler may assume anyway (-march=native) would drop the ones below
// it, and a forced "portable" or "avx2" would not exist.
#define HWY_COMPILE_ALL_ATTAINABLE

#include "hwy/detect_targets.h"

// The namespace of the "portable" kernels.
#if HWY_TARGETS & HWY_NEON
#define WDE_HWY_PORTABLE N_NEON
#elif HWY_TARGETS & HWY_EMU128
#define WDE_HWY_PORTABLE N_EMU128
#else
#define WDE_HWY_PORTABLE N_SCALAR
#endif
