#include "models/pre_norm_encoder.h"

namespace wde::models {
namespace {

// x becomes norm(x).
void normalize(ops::OpContext& context, const layers::Norm& norm, const TensorView& x) {
  if (const auto* layer = std::get_if<layers::LayerNorm>(&norm)) layer->forward(context, x, x);
  if (const auto* rms = std::get_if<layers::RmsNorm>(&norm)) rms->forward(context, x, x);
}

}  // namespace

std::vector<ModuleChoice> PreNormEncoder::choices() const {
  return {{"attention", parts_.blocks.front().attention.backend()},
          {"gemm", parts_.blocks.front().feed_forward->backend()}};
}

TensorView PreNormEncoder::forward(ops::OpContext& context, const layers::TokenBatch& batch) const {
  const int64_t C = parts_.word_embeddings.shape[1];
  const TensorView x = context.arena.allocate(dtype_, {batch.tokens(), C});
  ops::embedding_sum(context, {.ids = batch.ids,
                               .positions = batch.positions,
                               .word_table = parts_.word_embeddings,
                               .position_table = parts_.position_embeddings,
                               .out = x,
                               .word_scale = parts_.word_scale});
  normalize(context, parts_.embedding_norm, x);
  for (const layers::PreNormBlock& block : parts_.blocks) block.forward(context, batch, x);
  normalize(context, parts_.final_norm, x);
  return x;
}

}  // namespace wde::models
