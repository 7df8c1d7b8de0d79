#include "heads/f32_linear.h"

#include <utility>

namespace wde::heads {

Result<layers::Linear> load_f32_linear(layers::LoadContext& context, const TensorView& weight,
                                       const TensorView& bias, ops::Activation activation) {
  const DType model_dtype = std::exchange(context.dtype, DType::kF32);
  const auto model_weights = std::exchange(context.weights, ops::WeightFormat::kDType);
  Result<layers::Linear> linear = layers::Linear::load(context, weight, bias, activation);
  context.dtype = model_dtype;
  context.weights = model_weights;
  return linear;
}

TensorView in_f32(ops::OpContext& context, const TensorView& hidden) {
  if (hidden.dtype == DType::kF32) return hidden;
  const TensorView copy = context.arena.allocate(DType::kF32, hidden.shape);
  ops::convert(context, {.x = hidden, .out = copy});
  return copy;
}

}  // namespace wde::heads
