// y = activation(x Wᵀ + b) (+ residual), as torch.nn.Linear followed by an activation.
#pragma once

#include <memory>

#include "layers/load_context.h"
#include "layers/low_rank.h"
#include "ops/gemm.h"

namespace wde::layers {

class Linear {
 public:
  // `weight` [N, K] and `bias` [N] (data null for none) on the host, any floating-point dtype; read
  // only here. Errors: kResourceExhausted, and kUnsupported / kInvalidArgument from the choice of
  // the GEMM backend.
  static Result<Linear> load(LoadContext& context, const TensorView& weight, const TensorView& bias,
                             ops::Activation activation = ops::Activation::kNone,
                             const LowRankWeights& low_rank = {});

  // x [M, K] -> y [M, N] in the model's dtype. `residual` [M, N]: data null for none; may be y
  // itself. `adapter` is one of the low-rank weights' or -1; ignored where there are none.
  void forward(ops::OpContext& context, const TensorView& x, const TensorView& y,
               const TensorView& residual = {}, int adapter = -1) const;

  int64_t outputs() const { return problem_.n; }
  DType dtype() const { return problem_.dtype; }
  // Name of the GEMM backend that was chosen.
  std::string_view backend() const { return gemm_->name(); }

 private:
  ops::GemmProblem problem_;
  std::unique_ptr<LowRankInput> low_rank_;  // null where there are no adapters
  std::unique_ptr<ops::Gemm> gemm_;  // null after a planning load, which is for measuring only
};

}  // namespace wde::layers
