#include "heads/embedding_head.h"

#include "base/status.h"
#include "heads/f32_linear.h"

namespace wde::heads {
namespace {

Result<layers::Linear> load_dense(layers::LoadContext& context, const DenseStep& step) {
  WDE_ASSIGN_OR_RETURN(
      const TensorView weight,
      step.weights->tensor(step.name + ".weight", Shape{step.out_features, step.in_features}));
  TensorView bias;
  if (step.bias) {
    WDE_ASSIGN_OR_RETURN(bias, step.weights->tensor(step.name + ".bias", Shape{step.out_features}));
  }
  return load_f32_linear(context, weight, bias, step.activation);
}

}  // namespace

int64_t EmbeddingHeadSpec::columns(int64_t hidden_size) const {
  int64_t columns = hidden_size * static_cast<int64_t>(poolings.size());
  for (const Step& step : steps) {
    if (const auto* dense = std::get_if<DenseStep>(&step)) columns = dense->out_features;
  }
  return columns;
}

Result<std::unique_ptr<Head>> EmbeddingHead::load(layers::LoadContext& context,
                                                  const EmbeddingHeadSpec& spec,
                                                  int64_t hidden_size) {
  WDE_CHECK(!spec.poolings.empty());
  auto head = std::make_unique<EmbeddingHead>();
  head->poolings_ = spec.poolings;
  head->marker_ = spec.marker;
  head->columns_ = hidden_size * static_cast<int64_t>(spec.poolings.size());
  for (const Step& step : spec.steps) {
    const auto* dense = std::get_if<DenseStep>(&step);
    if (dense == nullptr) {
      head->steps_.emplace_back(std::nullopt);
      continue;
    }
    if (dense->in_features != head->columns_) {
      return data_loss_error("a Dense module takes {} features, but {} come before it",
                             dense->in_features, head->columns_);
    }
    WDE_ASSIGN_OR_RETURN(layers::Linear linear, load_dense(context, *dense));
    head->steps_.emplace_back(std::move(linear));
    head->columns_ = dense->out_features;
  }
  return std::unique_ptr<Head>(std::move(head));
}

void EmbeddingHead::forward(ops::OpContext& context, const TensorView& hidden,
                            const layers::TokenBatch& batch, const TensorView& out) const {
  const Arena::Mark mark(context.arena);
  const int64_t B = batch.sequences(), C = hidden.row_elements();
  TensorView rows =
      steps_.empty()
          ? out
          : context.arena.allocate(DType::kF32, {B, C * static_cast<int64_t>(poolings_.size())});
  for (size_t i = 0; i < poolings_.size(); ++i) {
    ops::pooling(context, {.hidden = hidden,
                           .cu_seqlens = batch.cu_seqlens,
                           .skip = batch.skip,
                           .ids = batch.ids,
                           .out = rows.slice_columns(static_cast<int64_t>(i) * C, C),
                           .pooling = poolings_[i],
                           .marker = marker_});
  }
  for (size_t i = 0; i < steps_.size(); ++i) {
    const bool last = i + 1 == steps_.size();
    const int64_t columns = steps_[i] ? steps_[i]->outputs() : rows.row_elements();
    const TensorView next = last ? out : context.arena.allocate(DType::kF32, {B, columns});
    if (steps_[i]) {
      steps_[i]->forward(context, rows, next);
    } else {
      ops::l2_normalize(context, {.x = rows, .out = next});
    }
    rows = next;
  }
}

}  // namespace wde::heads
