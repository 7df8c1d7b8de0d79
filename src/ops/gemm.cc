#include "ops/gemm.h"

#include "base/status.h"
#include "ops/cpu/onednn_gemm.h"
#include "ops/cpu/tiled_gemm.h"
#include "ops/ref/reference_gemm.h"

namespace wde::ops {
namespace {

// "tiled" first: within a few per cent of oneDNN on many rows, faster on few, and it fuses the
// residual (docs/performance.md).
constexpr GemmBackend kBackends[] = {
    {"tiled", tiled_gemm_refusal, create_tiled_gemm},
    {"onednn", onednn_gemm_refusal, create_onednn_gemm},
    {"reference", ref::reference_gemm_refusal, ref::create_reference_gemm},
};

bool is_float(DType dtype) { return dtype == DType::kF32 || dtype == DType::kBF16; }

// What no backend can do: empty when the problem makes sense.
std::string problem_refusal(const GemmProblem& problem) {
  if (!is_float(problem.dtype) || !is_float(problem.output_dtype)) {
    return fmt::format("dtypes {} to {} (f32 and bf16 can be done)", dtype_name(problem.dtype),
                       dtype_name(problem.output_dtype));
  }
  const int bits = problem.codes.bits;
  if (problem.weights == WeightFormat::kCodes && bits != 4 && bits != 8) {
    return fmt::format("codes of {} bits (4 and 8 can be done)", bits);
  }
  if (problem.n < 1 || problem.k < 1) {
    return fmt::format("a matrix of {} x {}", problem.n, problem.k);
  }
  return {};
}

void check_weights(const GemmProblem& problem, const GemmWeights& weights) {
  const TensorView& weight = weights.weight;
  WDE_CHECK(weight.data != nullptr && weight.shape == Shape({problem.n, problem.k}));
  WDE_CHECK(is_float(weight.dtype) || weight.dtype == DType::kF16);
  if (problem.weights == WeightFormat::kCodes) {
    WDE_CHECK(weight.computed != nullptr && weight.computed->code_layout() == problem.codes);
  }
  WDE_CHECK(problem.bias == (weights.bias.data != nullptr));
  if (problem.bias) {
    WDE_CHECK(weights.bias.dtype == DType::kF32 && weights.bias.shape == Shape({problem.n}));
  }
}

}  // namespace

size_t packed_bytes(const GemmProblem& problem) {
  if (problem.weights == WeightFormat::kCodes) {
    const CodeLayout& codes = problem.codes;
    const auto vectors =
        static_cast<size_t>(codes.groups * (codes.zero_code ? 1 : 2)) + (problem.bias ? 1u : 0u);
    return static_cast<size_t>(problem.n) *
               (static_cast<size_t>(problem.k) * static_cast<size_t>(codes.bits) / 8 +
                vectors * sizeof(float)) +
           codes.group_of.size_bytes();
  }
  const bool int8 = problem.weights == WeightFormat::kInt8;
  const size_t vectors = (problem.bias ? 1u : 0u) + (int8 ? 1u : 0u);
  return static_cast<size_t>(problem.n) *
         (static_cast<size_t>(problem.k) * (int8 ? 1 : dtype_size_bytes(problem.dtype)) +
          vectors * sizeof(float));
}

std::span<const GemmBackend> gemm_backends() { return kBackends; }

Result<std::unique_ptr<Gemm>> create_gemm(const GemmProblem& problem, const GemmWeights& weights,
                                          Device& device, const OpTable& ops,
                                          std::string_view forced) {
  if (const std::string refusal = problem_refusal(problem); !refusal.empty()) {
    return unsupported_error("no GEMM backend does {}", refusal);
  }
  check_weights(problem, weights);
  std::string known;
  std::string refusals;
  for (const GemmBackend& backend : kBackends) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", backend.name);
    if (!forced.empty() && backend.name != forced) continue;
    const std::string refusal = backend.refusal(problem, device, ops);
    if (refusal.empty()) return backend.create(problem, weights, device, ops);
    refusals += fmt::format("{}{}: {}", refusals.empty() ? "" : "; ", backend.name, refusal);
  }
  if (!refusals.empty()) return unsupported_error("no GEMM backend can do it: {}", refusals);
  return invalid_argument_error("unknown GEMM backend \"{}\" (known: {})", forced, known);
}

}  // namespace wde::ops
