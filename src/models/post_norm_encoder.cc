#include "models/post_norm_encoder.h"

#include "base/status.h"

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

Status load_embeddings(const Weights& weights, int64_t vocab_size, int64_t type_vocab_size,
                       int64_t hidden_size, layers::LoadContext& context,
                       PostNormEncoder::Parts* parts) {
  WDE_ASSIGN_OR_RETURN(const auto words, weights.tensor("embeddings.word_embeddings.weight",
                                                        {vocab_size, hidden_size}));
  WDE_ASSIGN_OR_RETURN(parts->word_embeddings, layers::load_table(context, words));
  if (type_vocab_size == 0) return {};
  WDE_ASSIGN_OR_RETURN(const auto types, weights.tensor("embeddings.token_type_embeddings.weight",
                                                        {type_vocab_size, hidden_size}));
  WDE_ASSIGN_OR_RETURN(parts->type_embeddings, layers::load_table(context, types));
  return {};
}

}  // namespace wde::models
