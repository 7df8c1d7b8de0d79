#include "heads/embedding_head.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "heads/f32_linear.h"

namespace wde::heads {
namespace {

constexpr float kLayerNormEpsilon = 1e-5f;  // torch.nn.LayerNorm's

// A step's columns after `columns`.
int64_t columns_after(const Step& step, int64_t columns) {
  const auto* dense = std::get_if<DenseStep>(&step);
  return dense != nullptr ? dense->out_features : columns;
}

Status check_columns(std::string_view module, int64_t taken, int64_t given) {
  if (taken == given) return {};
  return data_loss_error("a {} module takes {} features, but {} come before it", module, taken,
                         given);
}

}  // namespace

int64_t EmbeddingHeadSpec::columns(int64_t hidden_size) const {
  int64_t columns = hidden_size * static_cast<int64_t>(poolings.size());
  for (const Step& step : steps) columns = columns_after(step, columns);
  return columns;
}

Result<EmbeddingHead::LoadedDense> EmbeddingHead::load_dense(layers::LoadContext& context,
                                                             const DenseStep& step) {
  const Shape shape{step.out_features, step.in_features};
  WDE_ASSIGN_OR_RETURN(const TensorView weight, step.weights->tensor(step.name + ".weight", shape));
  TensorView bias;
  if (step.bias) {
    WDE_ASSIGN_OR_RETURN(bias, step.weights->tensor(step.name + ".bias", Shape{step.out_features}));
  }
  WDE_ASSIGN_OR_RETURN(layers::Linear linear,
                       load_f32_linear(context, weight, bias, step.activation));
  LoadedDense dense{.linear = std::move(linear), .residual = step.residual};
  if (step.residual && step.in_features != step.out_features) {
    WDE_ASSIGN_OR_RETURN(const TensorView residual, step.weights->tensor("residual.weight", shape));
    WDE_ASSIGN_OR_RETURN(dense.residual_linear, load_f32_linear(context, residual, TensorView()));
  }
  return dense;
}

Result<EmbeddingHead::LoadedStep> EmbeddingHead::load_step(layers::LoadContext& context,
                                                           const Step& step) {
  if (const auto* dense = std::get_if<DenseStep>(&step)) {
    WDE_RETURN_IF_ERROR(check_columns("Dense", dense->in_features, columns_));
    WDE_ASSIGN_OR_RETURN(LoadedDense loaded, load_dense(context, *dense));
    return LoadedStep(std::move(loaded));
  }
  if (const auto* norm = std::get_if<LayerNormStep>(&step)) {
    WDE_RETURN_IF_ERROR(check_columns("LayerNorm", norm->dimension, columns_));
    const Shape shape{norm->dimension};
    WDE_ASSIGN_OR_RETURN(const TensorView weight, norm->weights->tensor("norm.weight", shape));
    WDE_ASSIGN_OR_RETURN(const TensorView bias, norm->weights->tensor("norm.bias", shape));
    WDE_ASSIGN_OR_RETURN(layers::LayerNorm loaded,
                         layers::LayerNorm::load(context, weight, bias, kLayerNormEpsilon));
    return LoadedStep(std::move(loaded));
  }
  return LoadedStep(NormalizeStep{});
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
    WDE_ASSIGN_OR_RETURN(LoadedStep loaded, head->load_step(context, step));
    head->steps_.push_back(std::move(loaded));
    head->columns_ = columns_after(step, head->columns_);
  }
  return std::unique_ptr<Head>(std::move(head));
}

bool EmbeddingHead::reads_last_token_only() const {
  return std::all_of(poolings_.begin(), poolings_.end(),
                     [](ops::Pooling pooling) { return pooling == ops::Pooling::kLast; });
}

void EmbeddingHead::run_dense(ops::OpContext& context, const LoadedDense& dense,
                              const TensorView& rows, const TensorView& next) {
  const Arena::Mark mark(context.arena);
  TensorView residual;
  if (dense.residual) residual = rows;
  if (dense.residual_linear) {
    residual = context.arena.allocate(DType::kF32, next.shape);
    dense.residual_linear->forward(context, rows, residual);
  }
  dense.linear.forward(context, rows, next, residual);
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
    const auto* dense = std::get_if<LoadedDense>(&steps_[i]);
    const auto* norm = std::get_if<layers::LayerNorm>(&steps_[i]);
    const int64_t columns = dense != nullptr ? dense->linear.outputs() : rows.row_elements();
    const TensorView next = last ? out : context.arena.allocate(DType::kF32, {B, columns});
    if (dense != nullptr) {
      run_dense(context, *dense, rows, next);
    } else if (norm != nullptr) {
      norm->forward(context, rows, next);
    } else {
      ops::l2_normalize(context, {.x = rows, .out = next});
    }
    rows = next;
  }
}

}  // namespace wde::heads
