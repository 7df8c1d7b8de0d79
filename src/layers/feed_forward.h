// What stands between the norms of a block and treats every token by itself: [T, C] -> [T, C].
#pragma once

#include <memory>

#include "layers/linear.h"
#include "layers/stacked_linear.h"
#include "layers/token_batch.h"

namespace wde::layers {

class FeedForward {
 public:
  virtual ~FeedForward() = default;
  // out = f(x) + residual; all [T, C]; residual data null for none. out may be the residual, not x.
  // The batch says which adapter.
  virtual void forward(ops::OpContext& context, const TokenBatch& batch, const TensorView& x,
                       const TensorView& residual, const TensorView& out) const = 0;
  // Name of the GEMM backend that was chosen.
  virtual std::string_view backend() const = 0;
};

// down(activation(up(x))) (Vaswani et al. 2017).
class Mlp final : public FeedForward {
 public:
  struct Weights {
    TensorView up_weight, up_bias;      // [F, C], [F]; a bias's data is null where there is none
    TensorView down_weight, down_bias;  // [C, F], [C]
    LowRankWeights up_adapters, down_adapters;
  };
  // Weights on the host, read only here. Errors: as Linear::load.
  static Result<std::unique_ptr<FeedForward>> load(LoadContext& context, const Weights& weights,
                                                   ops::Activation activation);

  void forward(ops::OpContext& context, const TokenBatch& batch, const TensorView& x,
               const TensorView& residual, const TensorView& out) const override;
  std::string_view backend() const override { return up_.backend(); }

 private:
  Linear up_, down_;
};

// down(activation(gate(x)) * up(x)): a gated linear unit (Shazeer 2020, arXiv:2002.05202): GeGLU,
// SwiGLU, …, by the activation.
class GatedMlp final : public FeedForward {
 public:
  struct Weights {
    TensorView gate_weight, gate_bias;  // [F, C], [F]; a bias's data is null where there is none,
    TensorView up_weight, up_bias;      // and gate and up have both or neither
    TensorView down_weight, down_bias;  // [C, F], [C]
  };
  // Weights on the host, read only here. Errors: as Linear::load.
  static Result<std::unique_ptr<FeedForward>> load(LoadContext& context, const Weights& weights,
                                                   ops::Activation activation);

  void forward(ops::OpContext& context, const TokenBatch& batch, const TensorView& x,
               const TensorView& residual, const TensorView& out) const override;
  std::string_view backend() const override { return gate_up_.backend(); }

 private:
  StackedLinear gate_up_;  // [2 F, C]: gate, then up
  Linear down_;
  ops::Activation activation_ = ops::Activation::kNone;
};

}  // namespace wde::layers
