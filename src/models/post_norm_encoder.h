// What GTE, NomicBERT, JinaBERT and jina-embeddings-v3 are once their weights are loaded: word,
// token type and perhaps position embeddings, a layer norm, post-norm blocks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "layers/encoder_block.h"
#include "models/model.h"
#include "models/weights.h"

namespace wde::models {

class PostNormEncoder final : public Model {
 public:
  struct Parts {
    TensorView word_embeddings;      // [V, C]
    TensorView type_embeddings;      // [Y, C]; data null for none
    TensorView position_embeddings;  // [P, C]; data null where blocks know positions themselves
    layers::LayerNorm embedding_norm;
    std::vector<layers::EncoderBlock> blocks;
  };
  PostNormEncoder(DType dtype, Parts parts) : dtype_(dtype), parts_(std::move(parts)) {}

  std::vector<ModuleChoice> choices() const override;
  TensorView forward(ops::OpContext& context, const layers::TokenBatch& batch) const override;

 private:
  DType dtype_;
  Parts parts_;
};

// "embeddings.word_embeddings.weight" and, with token types, "embeddings.token_type_embeddings…".
// Errors: those of Weights, kResourceExhausted.
Status load_embeddings(const Weights& weights, int64_t vocab_size, int64_t type_vocab_size,
                       int64_t hidden_size, layers::LoadContext& context,
                       PostNormEncoder::Parts* parts);

}  // namespace wde::models
