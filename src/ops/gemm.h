// Matrix products with constant weights: packed once at load, bias and activation fused.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ops/ops.h"
#include "tensor/computed_rows.h"

namespace wde::ops {

enum class WeightFormat {
  kDType,  // the problem's dtype
  kInt8,   // 8 bits, one scale an output; x is quantized row by row as it comes (ops/quantize.h)
  // Codes of 4 or 8 bits with scales for groups of inputs, as the checkpoint has them: they stay so
  // in memory, and are multiplied as the f32 numbers that they stand for.
  kCodes,
};

struct GemmProblem {
  DType dtype = DType::kF32;         // of x, and of the packed weights unless they are int8
  DType output_dtype = DType::kF32;  // of y and the residual: f32 or bf16
  int64_t n = 0;                     // outputs
  int64_t k = 0;                     // inputs
  WeightFormat weights = WeightFormat::kDType;
  bool bias = false;
  Activation activation = Activation::kNone;
  CodeLayout codes;  // of kCodes; what it points to is read only while the Gemm is created
};

// What the packed weights, the bias and the scales take, but for padding.
size_t packed_bytes(const GemmProblem& problem);

// Weights as the checkpoint has them, in host memory; read only while the Gemm is created.
struct GemmWeights {
  // [n, k] (torch.nn.Linear.weight): f32, bf16 or f16 of any row stride, or computed; for kCodes,
  // with the problem's layout.
  TensorView weight;
  TensorView bias;  // f32 [n]; data null when the problem has no bias
};

// One packed matrix. Immutable after creation: any number of threads and workers may run it at
// once.
class Gemm {
 public:
  virtual ~Gemm() = default;
  virtual const GemmProblem& problem() const = 0;
  // The backend's name in gemm_backends().
  virtual std::string_view name() const = 0;
  // Bytes of device memory that the packed weights hold.
  virtual size_t weight_bytes() const = 0;
  // Workspace, 64-byte aligned, that run() needs for m rows on `threads` CPU threads (the context's
  // pool).
  virtual size_t workspace_bytes(int64_t m, int threads) const = 0;
  // y for any M >= 0; `workspace` may be null where workspace_bytes is 0. A row of y has the same
  // bits whatever M, its place in x and the context's pool.
  virtual void run(OpContext& context, const GemmArgs& args, void* workspace) const = 0;
};

struct GemmBackend {
  std::string_view name;
  // Empty when this backend can do the problem on the device with this op table, else the reason
  // why not.
  std::string (*refusal)(const GemmProblem& problem, const Device& device, const OpTable& ops);
  // Packs. Errors: kResourceExhausted (device memory), kInternal.
  Result<std::unique_ptr<Gemm>> (*create)(const GemmProblem& problem, const GemmWeights& weights,
                                          Device& device, const OpTable& ops);
};

// Every backend, best first, "reference" last.
std::span<const GemmBackend> gemm_backends();

// Creates with the first backend that does not refuse, or with the one named by `forced` (may be
// empty). Errors: kInvalidArgument for an unknown name, kUnsupported with each refusal's reason.
Result<std::unique_ptr<Gemm>> create_gemm(const GemmProblem& problem, const GemmWeights& weights,
                                          Device& device, const OpTable& ops,
                                          std::string_view forced = {});

}  // namespace wde::ops
