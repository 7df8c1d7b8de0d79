#include "layers/encoder_block.h"

#include "layers/row_chunks.h"

namespace wde::layers {

void EncoderBlock::forward(ops::OpContext& context, const TokenBatch& batch,
                           const TensorView& x) const {
  const int64_t T = x.rows();
  {
    const Arena::Mark mark(context.arena);
    const TensorView qkv = attention.allocate_projections(context, T);
    for_each_chunk(context, T, [&](const Rows& rows) {
      attention.project(context, batch, rows, rows.of(x), qkv);
    });
    for_each_chunk(context, T, [&](const Rows& rows) {
      const TensorView h = rows.of(x);
      attention.attend(context, batch, rows, qkv, /*residual=*/h, h);
      attention_norm.forward(context, h, h);
    });
  }
  for_each_chunk(context, T, [&](const Rows& rows) {
    const TensorView h = rows.of(x);
    const TensorView added = context.arena.allocate(x.dtype, h.shape);
    feed_forward->forward(context, batch, h, /*residual=*/h, added);
    output_norm.forward(context, added, h);
  });
}

}  // namespace wde::layers
