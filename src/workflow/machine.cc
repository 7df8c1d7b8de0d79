#include "wde/machine.h"

#include "ops/cpu/register_peak.h"

namespace wde {

double peak_gflops(std::string_view dtype, int threads) {
  if (threads < 1) return 0;
  if (dtype == "f32") return ops::register_peak_gflops(DType::kF32, threads);
  if (dtype == "bf16") return ops::register_peak_gflops(DType::kBF16, threads);
  if (dtype == "int8") return ops::register_peak_gflops(DType::kI8, threads);
  return 0;
}

}  // namespace wde
