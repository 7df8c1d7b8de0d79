// The post-norm encoder block of BERT and its relatives (Vaswani et al. 2017; Devlin et al. 2019):
//   h = norm(x + attention(x));  out = norm(h + feed_forward(h))
#pragma once

#include <memory>

#include "layers/feed_forward.h"
#include "layers/layer_norm.h"
#include "layers/self_attention.h"

namespace wde::layers {

struct EncoderBlock {
  SelfAttention attention;
  LayerNorm attention_norm;
  std::unique_ptr<FeedForward> feed_forward;
  LayerNorm output_norm;

  // x [T, C] is replaced by the block's output.
  void forward(ops::OpContext& context, const TokenBatch& batch, const TensorView& x) const;
};

}  // namespace wde::layers
