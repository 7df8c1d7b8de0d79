#include "models/post_norm_encoder.h"

#include "base/status.h"
#include "models/block_weights.h"

namespace wde::models {

std::vector<ModuleChoice> PostNormEncoder::choices() const {
  return {{"attention", parts_.blocks.front().attention.backend()},
          {"gemm", parts_.blocks.front().feed_forward->backend()}};
}

TensorView PostNormEncoder::forward(ops::OpContext& context,
                                    const layers::TokenBatch& batch) const {
  const int64_t C = parts_.word_embeddings.shape[1];
  const TensorView x = context.arena.allocate(dtype_, {batch.tokens(), C});
  const bool types = parts_.type_embeddings.shape.rank() != 0;
  ops::embedding_sum(context, {.ids = batch.ids,
                               .positions = batch.positions,
                               .type_ids = types ? batch.type_ids : TensorView{},
                               .word_table = parts_.word_embeddings,
                               .position_table = parts_.position_embeddings,
                               .type_table = parts_.type_embeddings,
                               .out = x});
  parts_.embedding_norm.forward(context, x, x);
  for (const layers::EncoderBlock& block : parts_.blocks) block.forward(context, batch, x);
  return x;
}

Result<PostNormEncoder::Parts> load_embeddings(const Weights& weights, const EmbeddingShape& shape,
                                               std::string_view norm, float epsilon,
                                               layers::LoadContext& context) {
  const int64_t C = shape.hidden_size;
  PostNormEncoder::Parts parts;
  WDE_ASSIGN_OR_RETURN(const auto words,
                       weights.tensor("embeddings.word_embeddings.weight", {shape.vocab_size, C}));
  WDE_ASSIGN_OR_RETURN(parts.word_embeddings, layers::load_table(context, words));
  if (shape.type_vocab_size > 0) {
    WDE_ASSIGN_OR_RETURN(const auto types, weights.tensor("embeddings.token_type_embeddings.weight",
                                                          {shape.type_vocab_size, C}));
    WDE_ASSIGN_OR_RETURN(parts.type_embeddings, layers::load_table(context, types));
  }
  WDE_ASSIGN_OR_RETURN(parts.embedding_norm,
                       BlockWeights(weights, "").layer_norm(context, norm, C, epsilon));
  return parts;
}

}  // namespace wde::models
