// Root mean square normalization (Zhang and Sennrich 2019), with the residual addition before or
// behind it fused.
#pragma once

#include "layers/load_context.h"

namespace wde::layers {

class RmsNorm {
 public:
  // `weight` [C] on the host; `weight_offset` is added to it (1 in Gemma). Rows of several times C
  // columns are normalized part by part. Errors: kResourceExhausted.
  static Result<RmsNorm> load(LoadContext& context, const TensorView& weight, float epsilon,
                              float weight_offset = 0.0f);

  // out = norm(x + residual); all [T, C] of one dtype; residual's data null for none; out may be x.
  void forward(ops::OpContext& context, const TensorView& x, const TensorView& out,
               const TensorView& residual = {}) const;
  // out = norm(x) + addend; shapes as above; out may be x or the addend.
  void forward_and_add(ops::OpContext& context, const TensorView& x, const TensorView& addend,
                       const TensorView& out) const;

 private:
  TensorView weight_;
  float epsilon_ = 0;
  float weight_offset_ = 0;
};

}  // namespace wde::layers
