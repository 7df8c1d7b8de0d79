// The yardstick of every figure: it is there for the dtypes that are computed in, and only those.
#include "wde/machine.h"

#include <gtest/gtest.h>

namespace wde {
namespace {

TEST(PeakGflops, IsKnownForTheDtypesThatAreComputedIn) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    GTEST_SKIP() << "skipped: the CPU lacks AVX2 or FMA, so no loop is known for it";
  }
  for (const char* dtype : {"f32", "bf16", "int8"}) {
    for (const int threads : {1, 2}) {
      const double peak = peak_gflops(dtype, threads);
      // A multiply-add a microsecond; more than any CPU's registers.
      EXPECT_GT(peak, 0.001) << dtype;
      EXPECT_LT(peak, 1e6) << dtype;
    }
  }
#else
  GTEST_SKIP() << "skipped: not an x86-64 CPU";
#endif
}

TEST(PeakGflops, IsZeroForWhatIsNotComputedIn) {
  for (const char* dtype : {"", "auto", "f7", "f16", "i32"}) {
    EXPECT_EQ(peak_gflops(dtype, 1), 0) << dtype;
  }
  EXPECT_EQ(peak_gflops("f32", 0), 0);
  EXPECT_EQ(peak_gflops("f32", -1), 0);
}

}  // namespace
}  // namespace wde
