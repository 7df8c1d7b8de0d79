// The head of a masked language model under SPLADE's maximum (Formal et al. 2021,
// arXiv:2109.10086): for each sequence and each entry of the vocabulary, the largest logit over the
// sequence's tokens. The logits [T, V] are never there as a whole: a block of the vocabulary is
// computed for all tokens, reduced, and forgotten.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "heads/head.h"
#include "heads/recipe_layers.h"

namespace wde::heads {

class VocabularyHead final : public Head {
 public:
  // A recipe of kMaskedLm with `vocab_size` logits. In the model's precision, as the vocabulary's
  // matrix is of the encoder's order of size. Errors: those of the recipe's layers and of
  // layers::Linear::load.
  static Result<std::unique_ptr<Head>> load(layers::LoadContext& context,
                                            const RecipeSource& source, int64_t vocab_size);

  Rows rows() const override { return Rows::kPerSequence; }
  int64_t columns() const override { return vocab_size_; }
  void forward(ops::OpContext& context, const TensorView& hidden, const layers::TokenBatch& batch,
               const TensorView& out) const override;

 private:
  int64_t vocab_size_ = 0;
  std::optional<layers::Linear> dense_;
  std::optional<layers::LayerNorm> norm_;
  std::vector<layers::Linear> blocks_;  // kBlockColumns of the vocabulary each, the last the rest
};

}  // namespace wde::heads
