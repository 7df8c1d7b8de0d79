// Layer normalization (Ba et al. 2016), with the residual addition before it fused.
#pragma once

#include "layers/load_context.h"

namespace wde::layers {

class LayerNorm {
 public:
  // `weight` and `bias` [C] on the host; bias's data null for none. Errors: kResourceExhausted.
  static Result<LayerNorm> load(LoadContext& context, const TensorView& weight,
                                const TensorView& bias, float epsilon);

  // out = norm(x + residual); all [T, C] of one dtype; residual's data null for none; out may be x.
  void forward(ops::OpContext& context, const TensorView& x, const TensorView& out,
               const TensorView& residual = {}) const;

 private:
  TensorView weight_, bias_;
  float epsilon_ = 0;
};

}  // namespace wde::layers
