// What ModernBERT, T5's encoder and decoders are once their weights are loaded: word embeddings,
// perhaps positions' and a norm, pre-norm blocks, a last norm.
#pragma once

#include <vector>

#include "layers/pre_norm_block.h"
#include "models/model.h"

namespace wde::models {

class PreNormEncoder final : public Model {
 public:
  struct Parts {
    TensorView word_embeddings;      // [V, C]
    float word_scale = 1;            // of what is looked up there
    TensorView position_embeddings;  // [P, C]; data null where positions are the attention's
    layers::Norm embedding_norm;     // or none
    std::vector<layers::PreNormBlock> blocks;
    layers::Norm final_norm;  // or none
  };
  PreNormEncoder(DType dtype, Parts parts) : dtype_(dtype), parts_(std::move(parts)) {}

  std::vector<ModuleChoice> choices() const override;
  TensorView forward(ops::OpContext& context, const layers::TokenBatch& batch) const override;

 private:
  DType dtype_;
  Parts parts_;
};

}  // namespace wde::models
