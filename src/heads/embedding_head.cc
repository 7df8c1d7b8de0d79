#include "heads/embedding_head.h"

#include <algorithm>

#include "base/status.h"

namespace wde::heads {
namespace {

int64_t pooled_columns(const EmbeddingHeadSpec& spec, int64_t hidden_size) {
  return hidden_size * static_cast<int64_t>(spec.poolings.size());
}

}  // namespace

int64_t EmbeddingHeadSpec::columns(int64_t hidden_size) const {
  return columns_after(steps, pooled_columns(*this, hidden_size));
}

Result<std::unique_ptr<Head>> EmbeddingHead::load(layers::LoadContext& context,
                                                  const EmbeddingHeadSpec& spec,
                                                  int64_t hidden_size) {
  WDE_CHECK(!spec.poolings.empty());
  auto head = std::make_unique<EmbeddingHead>();
  head->poolings_ = spec.poolings;
  head->marker_ = spec.marker;
  WDE_ASSIGN_OR_RETURN(head->steps_,
                       StepChain::load(context, spec.steps, pooled_columns(spec, hidden_size)));
  head->columns_ = spec.columns(hidden_size);
  return std::unique_ptr<Head>(std::move(head));
}

bool EmbeddingHead::reads_last_token_only() const {
  return std::all_of(poolings_.begin(), poolings_.end(),
                     [](ops::Pooling pooling) { return pooling == ops::Pooling::kLast; });
}

void EmbeddingHead::forward(ops::OpContext& context, const TensorView& hidden,
                            const layers::TokenBatch& batch, const TensorView& out) const {
  const Arena::Mark mark(context.arena);
  const int64_t B = batch.sequences(), C = hidden.row_elements();
  const TensorView pooled =
      steps_.empty()
          ? out
          : context.arena.allocate(DType::kF32, {B, C * static_cast<int64_t>(poolings_.size())});
  for (size_t i = 0; i < poolings_.size(); ++i) {
    ops::pooling(context, {.hidden = hidden,
                           .cu_seqlens = batch.cu_seqlens,
                           .skip = batch.skip,
                           .ids = batch.ids,
                           .out = pooled.slice_columns(static_cast<int64_t>(i) * C, C),
                           .pooling = poolings_[i],
                           .marker = marker_});
  }
  if (!steps_.empty()) steps_.forward(context, pooled, out);
}

}  // namespace wde::heads
