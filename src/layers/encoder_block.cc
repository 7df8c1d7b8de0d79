#include "layers/encoder_block.h"

namespace wde::layers {

void EncoderBlock::forward(ops::OpContext& context, const TokenBatch& batch,
                           const TensorView& x) const {
  const Arena::Mark mark(context.arena);
  const TensorView h = context.arena.allocate(x.dtype, x.shape);
  attention.forward(context, batch, x, /*residual=*/x, h);
  attention_norm.forward(context, h, h);
  const TensorView wide = context.arena.allocate(x.dtype, {x.rows(), up.outputs()});
  up.forward(context, h, wide);
  down.forward(context, wide, x, /*residual=*/h);
  output_norm.forward(context, x, x);
}

}  // namespace wde::layers
