// sentence-transformers' chain after the transformer: pooling (one mode, or several side by side),
// then any of Dense, LayerNorm and
// Normalize. The last Normalize is not here: whether an answer is normalized
// is the request's to say, so the output processor does it.
#pragma once

#include <memory>
#include <vector>

#include "heads/head.h"
#include "heads/step_chain.h"
#include "ops/ops.h"

namespace wde::heads {

struct EmbeddingHeadSpec {
  std::vector<ops::Pooling> poolings;  // at least one
  int32_t marker = 0;                  // of Pooling::kMarked
  std::vector<Step> steps;

  // Of the head's rows.
  int64_t columns(int64_t hidden_size) const;
};

class EmbeddingHead final : public Head {
 public:
  // Errors: those of StepChain::load.
  static Result<std::unique_ptr<Head>> load(layers::LoadContext& context,
                                            const EmbeddingHeadSpec& spec, int64_t hidden_size);

  Rows rows() const override { return Rows::kPerSequence; }
  int64_t columns() const override { return columns_; }
  bool reads_last_token_only() const override;
  void forward(ops::OpContext& context, const TensorView& hidden, const layers::TokenBatch& batch,
               const TensorView& out) const override;

 private:
  std::vector<ops::Pooling> poolings_;
  int32_t marker_ = 0;
  StepChain steps_;
  int64_t columns_ = 0;
};

}  // namespace wde::heads
