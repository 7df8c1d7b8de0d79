// A vector for every token: a chain of steps over its last hidden state. ColBERT's projection
// (Khattab & Zaharia 2020, arXiv:2004.12832), bge-m3's, and bge-m3's token weights, which are
// vectors of one number. In f32.
#pragma once

#include <memory>

#include "heads/head.h"
#include "heads/step_chain.h"

namespace wde::heads {

class TokenVectorHead final : public Head {
 public:
  // Errors: those of StepChain::load.
  static Result<std::unique_ptr<Head>> load(layers::LoadContext& context,
                                            std::span<const Step> steps, int64_t hidden_size);

  Rows rows() const override { return Rows::kPerToken; }
  int64_t columns() const override { return columns_; }
  void forward(ops::OpContext& context, const TensorView& hidden, const layers::TokenBatch& batch,
               const TensorView& out) const override;

 private:
  StepChain steps_;
  int64_t columns_ = 0;
};

}  // namespace wde::heads
