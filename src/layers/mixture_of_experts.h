// A feed-forward of many, of which a few compute each token (Shazeer et al. 2017,
// arXiv:1701.06538): ops/experts.h says how they are chosen and summed.
#pragma once

#include <memory>

#include "layers/feed_forward.h"
#include "ops/experts.h"

namespace wde::layers {

class MixtureOfExperts final : public FeedForward {
 public:
  struct Weights {
    TensorView router;  // [E, C]
    TensorView up;      // [E F, C]: expert e's rows are [e F, (e + 1) F)
    TensorView down;    // [E F, C] as well: the transposed matrix of a Linear, expert by expert
    TensorView bias;    // [C]; data null for none
  };
  struct Choice {
    int64_t experts = 0, top_k = 0;
    ops::Activation activation = ops::Activation::kGeluErf;
  };
  // Weights on the host, read only here. Errors: as Linear::load.
  static Result<std::unique_ptr<FeedForward>> load(LoadContext& context, const Weights& weights,
                                                   const Choice& choice);

  void forward(ops::OpContext& context, const TokenBatch& batch, const TensorView& x,
               const TensorView& residual, const TensorView& out) const override;
  std::string_view backend() const override { return experts_->gemm_name(); }

 private:
  std::unique_ptr<ops::Experts> experts_;  // null after a planning load
};

}  // namespace wde::layers
