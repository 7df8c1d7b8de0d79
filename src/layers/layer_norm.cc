#include "layers/layer_norm.h"

#include "base/status.h"

namespace wde::layers {

Result<LayerNorm> LayerNorm::load(LoadContext& context, const TensorView& weight,
                                  const TensorView& bias, float epsilon) {
  LayerNorm norm;
  WDE_ASSIGN_OR_RETURN(norm.weight_, load_f32(context, weight));
  if (bias.data != nullptr) {
    WDE_ASSIGN_OR_RETURN(norm.bias_, load_f32(context, bias));
  }
  norm.epsilon_ = epsilon;
  return norm;
}

void LayerNorm::forward(ops::OpContext& context, const TensorView& x, const TensorView& out,
                        const TensorView& residual) const {
  ops::layer_norm(context, {.x = x,
                            .residual = residual,
                            .weight = weight_,
                            .bias = bias_,
                            .out = out,
                            .epsilon = epsilon_});
}

}  // namespace wde::layers
