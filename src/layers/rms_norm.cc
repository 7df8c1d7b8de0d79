#include "layers/rms_norm.h"

#include "base/status.h"

namespace wde::layers {

Result<RmsNorm> RmsNorm::load(LoadContext& context, const TensorView& weight, float epsilon,
                              float weight_offset) {
  RmsNorm norm;
  WDE_ASSIGN_OR_RETURN(norm.weight_, load_f32(context, weight));
  norm.epsilon_ = epsilon;
  norm.weight_offset_ = weight_offset;
  return norm;
}

void RmsNorm::forward(ops::OpContext& context, const TensorView& x, const TensorView& out,
                      const TensorView& residual) const {
  ops::rms_norm(context, {.x = x,
                          .residual = residual,
                          .weight = weight_,
                          .out = out,
                          .epsilon = epsilon_,
                          .weight_offset = weight_offset_});
}

void RmsNorm::forward_and_add(ops::OpContext& context, const TensorView& x,
                              const TensorView& addend, const TensorView& out) const {
  ops::rms_norm(context, {.x = x,
                          .addend = addend,
                          .weight = weight_,
                          .out = out,
                          .epsilon = epsilon_,
                          .weight_offset = weight_offset_});
}

}  // namespace wde::layers
