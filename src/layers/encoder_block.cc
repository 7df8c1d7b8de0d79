#include "layers/encoder_block.h"

namespace wde::layers {

void EncoderBlock::forward(ops::OpContext& context, const TokenBatch& batch,
                           const TensorView& x) const {
  const Arena::Mark mark(context.arena);
  const TensorView h = context.arena.allocate(x.dtype, x.shape);
  attention.forward(context, batch, x, /*residual=*/x, h);
  attention_norm.forward(context, h, h);
  feed_forward->forward(context, batch, h, /*residual=*/h, x);
  output_norm.forward(context, x, x);
}

}  // namespace wde::layers
