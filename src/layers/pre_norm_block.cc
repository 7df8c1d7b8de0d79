#include "layers/pre_norm_block.h"

namespace wde::layers {
namespace {

// x += post_norm(part(norm(x))), or x += part(norm(x)), which the part's last product does itself.
template <class Part>
void add_part(ops::OpContext& context, const TokenBatch& batch, const TensorView& x,
              const Norm& norm, const Part& part, const std::optional<RmsNorm>& post_norm) {
  const Arena::Mark mark(context.arena);
  const TensorView normal = apply_norm(context, norm, x);
  if (!post_norm) return part.forward(context, batch, normal, /*residual=*/x, x);
  const TensorView added = context.arena.allocate(x.dtype, x.shape);
  part.forward(context, batch, normal, /*residual=*/{}, added);
  post_norm->forward_and_add(context, added, x, x);
}

}  // namespace

TensorView apply_norm(ops::OpContext& context, const Norm& norm, const TensorView& x) {
  if (std::holds_alternative<std::monostate>(norm)) return x;
  const TensorView out = context.arena.allocate(x.dtype, x.shape);
  if (const auto* layer_norm = std::get_if<LayerNorm>(&norm)) layer_norm->forward(context, x, out);
  if (const auto* rms_norm = std::get_if<RmsNorm>(&norm)) rms_norm->forward(context, x, out);
  return out;
}

void PreNormBlock::forward(ops::OpContext& context, const TokenBatch& batch,
                           const TensorView& x) const {
  add_part(context, batch, x, attention_norm, attention, attention_post_norm);
  add_part(context, batch, x, feed_forward_norm, *feed_forward, feed_forward_post_norm);
}

}  // namespace wde::layers
