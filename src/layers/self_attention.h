// Multi-head self-attention: one fused projection to q, k, v, rotary positions where the model has
// them, attention, output projection. In two steps, each of which a caller may take for some rows
// at a time: every row is projected before the first one attends.
#pragma once

#include <memory>
#include <optional>

#include "attention/attention.h"
#include "layers/layer_norm.h"
#include "layers/linear.h"
#include "layers/rms_norm.h"
#include "layers/rotary_embedding.h"
#include "layers/row_chunks.h"
#include "layers/stacked_linear.h"
#include "layers/token_batch.h"

namespace wde::layers {

struct SelfAttentionWeights {
  // A bias's data is null where there is none; query, key and value have all or none.
  TensorView query_weight, query_bias;    // [H D, C], [H D]
  TensorView key_weight, key_bias;        // [Hkv D, C], [Hkv D]
  TensorView value_weight, value_bias;    // [Hkv D, C], [Hkv D]
  TensorView output_weight, output_bias;  // [C, H D], [C]
  LowRankWeights projection_adapters;     // of query, key and value, one below the other
  LowRankWeights output_adapters;
};

class SelfAttention {
 public:
  // Weights on the host, read only here. problem.dtype must be the context's. Errors: as
  // Linear::load, and from the choice of the attention backend.
  static Result<SelfAttention> load(LoadContext& context, const SelfAttentionWeights& weights,
                                    const attention::AttentionProblem& problem,
                                    std::shared_ptr<const RotaryEmbedding> rotary = nullptr);

  // For the q, k and v of T tokens: [T, (H + 2 Hkv) D] in the context's arena.
  TensorView allocate_projections(ops::OpContext& context, int64_t tokens) const;
  // The batch's rows `rows` of `projections` from x [rows, C].
  void project(ops::OpContext& context, const TokenBatch& batch, const Rows& rows,
               const TensorView& x, const TensorView& projections) const;
  // out [rows, C] = attention of the batch's rows `rows` + residual [rows, C] (data null for none);
  // out may be the residual. All of the batch's rows, or of a batch of one sequence some, as
  // AttentionArgs::queries.
  void attend(ops::OpContext& context, const TokenBatch& batch, const Rows& rows,
              const TensorView& projections, const TensorView& residual,
              const TensorView& out) const;
  // Queries and keys [T, H D] are normalized as a whole, before they turn.
  void normalize_projections(LayerNorm query, LayerNorm key);
  // Every head of them [D] by itself (Henry et al. 2020, arXiv:2010.04245), before they turn.
  void normalize_heads(RmsNorm query, RmsNorm key);
  // Name of the attention backend that was chosen.
  std::string_view backend() const { return attention_->name(); }

 private:
  int64_t query_columns() const { return int64_t{problem_.heads} * problem_.head_size; }
  int64_t key_columns() const { return int64_t{problem_.kv_heads} * problem_.head_size; }
  // Normalizes the queries and keys of packed rows in place, where the model does.
  void normalize(ops::OpContext& context, const TensorView& query, const TensorView& key) const;

  attention::AttentionProblem problem_;
  std::optional<LayerNorm> query_norm_, key_norm_;
  std::optional<RmsNorm> query_head_norm_, key_head_norm_;
  std::shared_ptr<const RotaryEmbedding> rotary_;  // null where positions are not rotary
  std::unique_ptr<attention::Attention> attention_;
  StackedLinear qkv_;
  Linear output_;
};

}  // namespace wde::layers
