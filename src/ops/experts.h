// A mixture of experts (Shazeer et al. 2017, arXiv:1701.06538): for every row the router scores all
// experts, and the k with the largest shares of the softmax compute the row:
//   out[t] = sum over them, largest share first, of share * down_e(activation(up_e(x[t])))
//            + bias + residual[t]
// The shares are those of all experts' softmax, not of the k alone. Which rows an expert gets
// depends on data, so routing, products and sum are one call: a device that is ahead of the host
// does it all by itself.
#pragma once

#include <memory>
#include <string_view>

#include "ops/gemm.h"

namespace wde::ops {

struct ExpertsProblem {
  DType dtype = DType::kF32;  // of x, residual and out; of the packed weights unless they are int8
  WeightFormat weights = WeightFormat::kDType;  // of the experts; the router's are the dtype's
  int64_t hidden_size = 0;                      // C
  int64_t inner_size = 0;                       // F
  int64_t experts = 0;                          // E
  int64_t top_k = 0;                            // at most E
  Activation activation = Activation::kGeluErf;
};

// In host memory, f32, bf16 or f16; read only while the Experts are created.
struct ExpertsWeights {
  TensorView router;  // [E, C]
  TensorView up;      // [E F, C]: expert e's rows are [e F, (e + 1) F)
  TensorView down;    // [E C, F]
  TensorView bias;    // f32 [C]; data null for none
};

struct ExpertsArgs {
  TensorView x;         // [T, C]
  TensorView residual;  // [T, C]; data null for none
  TensorView out;       // [T, C]; may be the residual
};

// Immutable after creation: any number of threads and workers may run it at once.
class Experts {
 public:
  virtual ~Experts() = default;
  virtual const ExpertsProblem& problem() const = 0;
  // Of the GEMM backend that computes the products.
  virtual std::string_view gemm_name() const = 0;
  virtual size_t weight_bytes() const = 0;
  // Workspace, 64-byte aligned, that run() needs for m rows on `threads` CPU threads.
  virtual size_t workspace_bytes(int64_t m, int threads) const = 0;
  // A row has the same bits whatever other rows are there, and whatever the context's pool.
  virtual void run(OpContext& context, const ExpertsArgs& args, void* workspace) const = 0;
};

// What the packed weights take, but for padding.
size_t packed_bytes(const ExpertsProblem& problem);

// For the device: on a CPU the rows of an expert go through its GEMMs together; elsewhere the plain
// loops. `gemm_backend` forces one, or is empty. Errors: those of create_gemm, kResourceExhausted.
Result<std::unique_ptr<Experts>> create_experts(const ExpertsProblem& problem,
                                                const ExpertsWeights& weights, Device& device,
                                                const OpTable& ops,
                                                std::string_view gemm_backend = {});

// Checks the shapes (WDE_CHECK), takes the workspace from the arena, runs; when measuring, only
// takes.
void run_experts(OpContext& context, const Experts& experts, const ExpertsArgs& args);

}  // namespace wde::ops
