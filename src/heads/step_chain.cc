#include "heads/step_chain.h"

#include <utility>

#include "base/status.h"
#include "heads/f32_linear.h"

namespace wde::heads {
namespace {

constexpr float kLayerNormEpsilon = 1e-5f;  // torch.nn.LayerNorm's

Status check_columns(std::string_view module, int64_t taken, int64_t given) {
  if (taken == given) return {};
  return data_loss_error("a {} module takes {} features, but {} come before it", module, taken,
                         given);
}

std::string tensor_of(const DenseStep& step, std::string_view tensor) {
  return step.name.empty() ? std::string(tensor) : fmt::format("{}.{}", step.name, tensor);
}

}  // namespace

int64_t columns_after(std::span<const Step> steps, int64_t columns) {
  for (const Step& step : steps) {
    if (const auto* dense = std::get_if<DenseStep>(&step)) columns = dense->out_features;
  }
  return columns;
}

Result<StepChain::LoadedDense> StepChain::load_dense(layers::LoadContext& context,
                                                     const DenseStep& step) {
  const Shape shape{step.out_features, step.in_features};
  WDE_ASSIGN_OR_RETURN(const TensorView weight,
                       step.weights->tensor(tensor_of(step, "weight"), shape));
  TensorView bias;
  if (step.bias) {
    WDE_ASSIGN_OR_RETURN(bias,
                         step.weights->tensor(tensor_of(step, "bias"), Shape{step.out_features}));
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

Result<StepChain::LoadedStep> StepChain::load_step(layers::LoadContext& context, const Step& step,
                                                   int64_t columns) {
  if (const auto* dense = std::get_if<DenseStep>(&step)) {
    WDE_RETURN_IF_ERROR(check_columns("Dense", dense->in_features, columns));
    WDE_ASSIGN_OR_RETURN(LoadedDense loaded, load_dense(context, *dense));
    return LoadedStep(std::move(loaded));
  }
  if (const auto* norm = std::get_if<LayerNormStep>(&step)) {
    WDE_RETURN_IF_ERROR(check_columns("LayerNorm", norm->dimension, columns));
    const Shape shape{norm->dimension};
    WDE_ASSIGN_OR_RETURN(const TensorView weight, norm->weights->tensor("norm.weight", shape));
    WDE_ASSIGN_OR_RETURN(const TensorView bias, norm->weights->tensor("norm.bias", shape));
    WDE_ASSIGN_OR_RETURN(layers::LayerNorm loaded,
                         layers::LayerNorm::load(context, weight, bias, kLayerNormEpsilon));
    return LoadedStep(std::move(loaded));
  }
  return LoadedStep(NormalizeStep{});
}

Result<StepChain> StepChain::load(layers::LoadContext& context, std::span<const Step> steps,
                                  int64_t columns) {
  StepChain chain;
  for (size_t i = 0; i < steps.size(); ++i) {
    WDE_ASSIGN_OR_RETURN(LoadedStep loaded,
                         load_step(context, steps[i], columns_after(steps.first(i), columns)));
    if (std::holds_alternative<LoadedDense>(loaded)) chain.in_place_ = i;
    chain.steps_.push_back(std::move(loaded));
  }
  return chain;
}

void StepChain::run_dense(ops::OpContext& context, const LoadedDense& dense, const TensorView& x,
                          const TensorView& out) {
  const Arena::Mark mark(context.arena);
  TensorView residual;
  if (dense.residual) residual = x;
  if (dense.residual_linear) {
    residual = context.arena.allocate(DType::kF32, out.shape);
    dense.residual_linear->forward(context, x, residual);
  }
  dense.linear.forward(context, x, out, residual);
}

void StepChain::forward(ops::OpContext& context, const TensorView& x, const TensorView& out) const {
  const Arena::Mark mark(context.arena);
  TensorView rows = x;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const auto* dense = std::get_if<LoadedDense>(&steps_[i]);
    const auto* norm = std::get_if<layers::LayerNorm>(&steps_[i]);
    const int64_t columns = dense != nullptr ? dense->linear.outputs() : rows.row_elements();
    const TensorView next =
        i >= in_place_ ? out : context.arena.allocate(DType::kF32, {x.rows(), columns});
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
