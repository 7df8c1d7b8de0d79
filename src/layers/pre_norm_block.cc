#include "layers/pre_norm_block.h"

namespace wde::layers {

TensorView apply_norm(ops::OpContext& context, const Norm& norm, const TensorView& x) {
  if (std::holds_alternative<std::monostate>(norm)) return x;
  const TensorView out = context.arena.allocate(x.dtype, x.shape);
  if (const auto* layer_norm = std::get_if<LayerNorm>(&norm)) layer_norm->forward(context, x, out);
  if (const auto* rms_norm = std::get_if<RmsNorm>(&norm)) rms_norm->forward(context, x, out);
  return out;
}

void PreNormBlock::forward(ops::OpContext& context, const TokenBatch& batch,
                           const TensorView& x) const {
  {
    const Arena::Mark mark(context.arena);
    const TensorView normal = apply_norm(context, attention_norm, x);
    attention.forward(context, batch, normal, /*residual=*/x, x);
  }
  const Arena::Mark mark(context.arena);
  const TensorView normal = apply_norm(context, feed_forward_norm, x);
  feed_forward->forward(context, batch, normal, /*residual=*/x, x);
}

}  // namespace wde::layers
