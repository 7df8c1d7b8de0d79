#include "layers/self_attention.h"

#include <array>
#include <utility>

#include "base/status.h"

namespace wde::layers {

Result<SelfAttention> SelfAttention::load(LoadContext& context, const SelfAttentionWeights& weights,
                                          const attention::AttentionProblem& problem,
                                          std::shared_ptr<const RotaryEmbedding> rotary) {
  SelfAttention layer;
  layer.problem_ = problem;
  layer.rotary_ = std::move(rotary);
  const std::array qkv_weights = {weights.query_weight, weights.key_weight, weights.value_weight};
  const std::array qkv_biases = {weights.query_bias, weights.key_bias, weights.value_bias};
  WDE_ASSIGN_OR_RETURN(layer.qkv_, StackedLinear::load(context, qkv_weights, qkv_biases,
                                                       weights.projection_adapters));
  WDE_ASSIGN_OR_RETURN(layer.output_,
                       Linear::load(context, weights.output_weight, weights.output_bias,
                                    ops::Activation::kNone, weights.output_adapters));
  WDE_ASSIGN_OR_RETURN(layer.attention_,
                       attention::create_attention(problem, *context.device, context.ops,
                                                   context.attention_backend));
  return layer;
}

void SelfAttention::normalize_projections(LayerNorm query, LayerNorm key) {
  query_norm_ = std::move(query);
  key_norm_ = std::move(key);
}

void SelfAttention::normalize_heads(RmsNorm query, RmsNorm key) {
  query_head_norm_ = std::move(query);
  key_head_norm_ = std::move(key);
}

void SelfAttention::normalize(ops::OpContext& context, const TensorView& query,
                              const TensorView& key) const {
  if (query_norm_) {
    query_norm_->forward(context, query, query);
    key_norm_->forward(context, key, key);
  }
  if (query_head_norm_) {
    query_head_norm_->forward(context, query, query);
    key_head_norm_->forward(context, key, key);
  }
}

TensorView SelfAttention::allocate_projections(ops::OpContext& context, int64_t tokens) const {
  return context.arena.allocate(problem_.dtype, {tokens, qkv_.outputs()});
}

void SelfAttention::project(ops::OpContext& context, const TokenBatch& batch, const Rows& rows,
                            const TensorView& x, const TensorView& projections) const {
  const TensorView qkv = rows.of(projections);
  qkv_.forward(context, x, qkv, batch.adapter);
  normalize(context, qkv.slice_columns(0, query_columns()),
            qkv.slice_columns(query_columns(), key_columns()));
  if (rotary_ == nullptr) return;
  rotary_->forward(context, rows.of(batch.positions),
                   qkv.slice_columns(0, query_columns() + key_columns()));
}

void SelfAttention::attend(ops::OpContext& context, const TokenBatch& batch, const Rows& rows,
                           const TensorView& projections, const TensorView& residual,
                           const TensorView& out) const {
  const Arena::Mark mark(context.arena);
  const TensorView mixed = context.arena.allocate(problem_.dtype, {rows.count, query_columns()});
  attention::AttentionArgs args{
      .q = projections.slice_columns(0, query_columns()),
      .k = projections.slice_columns(query_columns(), key_columns()),
      .v = projections.slice_columns(query_columns() + key_columns(), key_columns()),
      .out = mixed,
      .cu_seqlens = batch.cu_seqlens,
      .host_cu_seqlens = batch.host_cu_seqlens,
      .max_seqlen = batch.max_seqlen,
      .continues = batch.continues,
      .host_continues = batch.host_continues,
      .key_counts = batch.key_counts,
      .host_key_counts = batch.host_key_counts};
  if (rows.count < batch.tokens()) args.queries = {rows.begin, rows.begin + rows.count};
  attention::attend(context, *attention_, args);
  output_.forward(context, mixed, out, residual, batch.adapter);
}

}  // namespace wde::layers
