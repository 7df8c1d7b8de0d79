// The pre-norm block of ModernBERT, Llama, T5 and their relatives (Xiong et al. 2020):
//   h = x + attention(norm(x));  out = h + feed_forward(norm(h))
// and Gemma 2's (2024, arXiv:2408.00118, section 2), which normalizes what is added, too:
//   h = x + norm(attention(norm(x)));  out = h + norm(feed_forward(norm(h)))
#pragma once

#include <memory>
#include <optional>
#include <variant>

#include "layers/feed_forward.h"
#include "layers/layer_norm.h"
#include "layers/rms_norm.h"
#include "layers/self_attention.h"

namespace wde::layers {

// No norm (a first block whose input is normalized already), or one of either kind.
using Norm = std::variant<std::monostate, LayerNorm, RmsNorm>;

// norm(x) in the context's arena, or x itself where there is no norm.
TensorView apply_norm(ops::OpContext& context, const Norm& norm, const TensorView& x);

struct PreNormBlock {
  Norm attention_norm;
  SelfAttention attention;
  std::optional<RmsNorm> attention_post_norm;  // of what attention adds to x
  Norm feed_forward_norm;
  std::unique_ptr<FeedForward> feed_forward;
  std::optional<RmsNorm> feed_forward_post_norm;

  // x [T, C] is replaced by the block's output.
  void forward(ops::OpContext& context, const TokenBatch& batch, const TensorView& x) const;
};

}  // namespace wde::layers
