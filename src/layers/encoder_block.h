// The post-norm encoder block of BERT and its relatives (Vaswani et al. 2017; Devlin et al. 2019):
//   h = norm(x + attention(x));  out = norm(h + down(activation(up(h))))
#pragma once

#include "layers/layer_norm.h"
#include "layers/linear.h"
#include "layers/self_attention.h"

namespace wde::layers {

struct EncoderBlock {
  SelfAttention attention;
  LayerNorm attention_norm;
  Linear up;    // [F, C], with the activation
  Linear down;  // [C, F]
  LayerNorm output_norm;

  // x [T, C] is replaced by the block's output.
  void forward(ops::OpContext& context, const TokenBatch& batch, const TensorView& x) const;
};

}  // namespace wde::layers
