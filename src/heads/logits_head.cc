#include "heads/logits_head.h"

#include "base/status.h"
#include "heads/f32_linear.h"

namespace wde::heads {
namespace {

// One row a sequence, in f32.
TensorView pool(ops::OpContext& context, const TensorView& x, const layers::TokenBatch& batch,
                const RowPooling& pooling) {
  const TensorView pooled =
      context.arena.allocate(DType::kF32, {batch.sequences(), x.row_elements()});
  ops::pooling(context, {.hidden = x,
                         .cu_seqlens = batch.cu_seqlens,
                         .ids = batch.ids,
                         .out = pooled,
                         .pooling = pooling.pooling,
                         .marker = pooling.marker});
  return pooled;
}

}  // namespace

Result<std::unique_ptr<Head>> LogitsHead::load(layers::LoadContext& context,
                                               const RecipeSource& source, int64_t labels) {
  auto head = std::make_unique<LogitsHead>();
  if (source.recipe->kind == HeadKind::kSequenceClassification) {
    WDE_ASSIGN_OR_RETURN(head->pooling_, choose_pooling(*source.recipe, *source.config));
  }
  WDE_ASSIGN_OR_RETURN(const auto dense, find_dense(source));
  if (dense) {
    WDE_ASSIGN_OR_RETURN(const ops::Activation activation,
                         choose_activation(source.recipe->dense.activation, *source.config));
    WDE_ASSIGN_OR_RETURN(head->dense_,
                         load_f32_linear(context, dense->weight, dense->bias, activation));
  }
  WDE_ASSIGN_OR_RETURN(head->norm_, load_norm(source, context));
  WDE_ASSIGN_OR_RETURN(const WeightAndBias output, find_output(source, labels));
  WDE_ASSIGN_OR_RETURN(head->output_, load_f32_linear(context, output.weight, output.bias));
  return std::unique_ptr<Head>(std::move(head));
}

bool LogitsHead::reads_last_token_only() const {
  return pooling_ && (pooling_->pooling == ops::Pooling::kLast ||
                      pooling_->pooling == ops::Pooling::kLastUnmarked);
}

int32_t LogitsHead::passed_over_id() const {
  return pooling_ && pooling_->pooling == ops::Pooling::kLastUnmarked ? pooling_->marker : -1;
}

TensorView LogitsHead::apply_dense(ops::OpContext& context, const TensorView& x) const {
  if (!dense_) return x;
  const TensorView y = context.arena.allocate(DType::kF32, {x.rows(), dense_->outputs()});
  dense_->forward(context, x, y);
  return y;
}

void LogitsHead::forward(ops::OpContext& context, const TensorView& hidden,
                         const layers::TokenBatch& batch, const TensorView& out) const {
  const Arena::Mark mark(context.arena);
  TensorView x = hidden;
  if (pooling_ && !pooling_->after_dense) x = pool(context, x, batch, *pooling_);
  x = apply_dense(context, in_f32(context, x));
  if (pooling_ && pooling_->after_dense) x = pool(context, x, batch, *pooling_);
  if (norm_) {
    const TensorView normal = context.arena.allocate(DType::kF32, x.shape);
    norm_->forward(context, x, normal);
    x = normal;
  }
  output_.forward(context, x, out);
}

}  // namespace wde::heads
