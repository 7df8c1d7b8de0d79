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

// Facts of a config with these fields, whose positions begin at 0.
template <class Config>
ModelTraits post_norm_traits(const Config& config) {
  return {.hidden_size = static_cast<int>(config.hidden_size),
          .vocab_size = static_cast<int>(config.vocab_size),
          .type_vocab_size = static_cast<int>(config.type_vocab_size),
          .position_offset = 0,
          .max_length = static_cast<int>(config.max_positions)};
}

struct EmbeddingShape {
  int64_t vocab_size = 0, type_vocab_size = 0, hidden_size = 0;
};

// "embeddings.word_embeddings.weight", with token types "embeddings.token_type_embeddings…", and
// the norm, a module of that name. Errors: those of Weights, kResourceExhausted.
Result<PostNormEncoder::Parts> load_embeddings(const Weights& weights, const EmbeddingShape& shape,
                                               std::string_view norm, float epsilon,
                                               layers::LoadContext& context);

}  // namespace wde::models
