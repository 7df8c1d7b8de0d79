// The logits of a few entries of a language model's vocabulary at each text's last token: rerankers
// ask for "yes" and "no". Only these rows of the matrix are ever read. In f32.
#pragma once

#include <memory>
#include <span>

#include "heads/head.h"
#include "heads/recipe_layers.h"
#include "layers/linear.h"

namespace wde::heads {

class TokenLogitsHead final : public Head {
 public:
  // A recipe of kCausalLm over `vocab_size` entries, of which `tokens` are wanted; all of them
  // inside the vocabulary. Errors: kNotFound, kDataLoss (shapes), and those of
  // layers::Linear::load.
  static Result<std::unique_ptr<Head>> load(layers::LoadContext& context,
                                            const RecipeSource& source, int64_t vocab_size,
                                            std::span<const int32_t> tokens);

  Rows rows() const override { return Rows::kPerSequence; }
  int64_t columns() const override { return output_.outputs(); }
  void forward(ops::OpContext& context, const TensorView& hidden, const layers::TokenBatch& batch,
               const TensorView& out) const override;

 private:
  layers::Linear output_;  // [tokens, C]
};

}  // namespace wde::heads
