// Classifiers: a row of logits for each sequence or for each token, as a recipe says. In f32.
#pragma once

#include <memory>
#include <optional>

#include "heads/head.h"
#include "heads/recipe_layers.h"

namespace wde::heads {

class LogitsHead final : public Head {
 public:
  // A recipe of kSequenceClassification, kTokenClassification or kProcessReward, with `labels`
  // logits. Errors: those of the recipe's layers and of layers::Linear::load.
  static Result<std::unique_ptr<Head>> load(layers::LoadContext& context,
                                            const RecipeSource& source, int64_t labels);

  Rows rows() const override { return pooling_ ? Rows::kPerSequence : Rows::kPerToken; }
  int64_t columns() const override { return output_.outputs(); }
  bool reads_last_token_only() const override;
  int32_t passed_over_id() const override;
  void forward(ops::OpContext& context, const TensorView& hidden, const layers::TokenBatch& batch,
               const TensorView& out) const override;

 private:
  TensorView apply_dense(ops::OpContext& context, const TensorView& x) const;

  std::optional<RowPooling> pooling_;  // empty: every token
  std::optional<layers::Linear> dense_;
  std::optional<layers::LayerNorm> norm_;
  layers::Linear output_;
};

}  // namespace wde::heads
