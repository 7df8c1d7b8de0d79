#include "layers/linear.h"

#include "base/status.h"
#include "tensor/computed_rows.h"

namespace wde::layers {

using ops::WeightFormat;

Result<Linear> Linear::load(LoadContext& context, const TensorView& weight, const TensorView& bias,
                            ops::Activation activation, const LowRankWeights& low_rank) {
  Linear linear;
  std::vector<float> storage;
  TensorView matrix = weight;
  if (low_rank.adapters > 0) {
    matrix = append_columns(weight, low_rank, &storage);
    WDE_ASSIGN_OR_RETURN(linear.low_rank_, LowRankInput::load(context, low_rank));
  }
  linear.problem_ = {.dtype = context.dtype,
                     .output_dtype = context.dtype,
                     .n = matrix.shape[0],
                     .k = matrix.shape[1],
                     .weights = context.weights,
                     .bias = bias.data != nullptr,
                     .activation = activation};
  // A checkpoint's codes stay codes: as exact as their f32 numbers, and a fraction of the memory.
  if (const auto codes = code_layout(matrix); codes && context.weights == WeightFormat::kDType) {
    linear.problem_.weights = WeightFormat::kCodes;
    linear.problem_.codes = *codes;
  }
  if (context.planning) {
    context.weight_bytes += ops::packed_bytes(linear.problem_);
    return linear;
  }
  std::vector<float> bias_values(linear.problem_.bias ? static_cast<size_t>(linear.problem_.n) : 0);
  ops::GemmWeights weights{.weight = matrix};
  if (linear.problem_.bias) {
    read_f32(bias, bias_values.data());
    weights.bias = TensorView::contiguous(bias_values.data(), DType::kF32, {linear.problem_.n});
  }
  WDE_ASSIGN_OR_RETURN(linear.gemm_, ops::create_gemm(linear.problem_, weights, *context.device,
                                                      context.ops, context.gemm_backend));
  context.weight_bytes += linear.gemm_->weight_bytes();
  return linear;
}

void Linear::forward(ops::OpContext& context, const TensorView& x, const TensorView& y,
                     const TensorView& residual, int adapter) const {
  const Arena::Mark mark(context.arena);
  const TensorView input = low_rank_ == nullptr ? x : low_rank_->forward(context, x, adapter);
  ops::gemm(context, *gemm_, {.x = input, .residual = residual, .y = y});
}

}  // namespace wde::layers
