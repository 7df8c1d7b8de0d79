#include "layers/pre_norm_block.h"

#include "layers/row_chunks.h"

namespace wde::layers {
namespace {

// x += post_norm(part()), or x += part(), which the part's last product does itself; part(residual,
// out).
template <class Part>
void add(ops::OpContext& context, const TensorView& x, const std::optional<RmsNorm>& post_norm,
         const Part& part) {
  if (!post_norm) return part(x, x);
  const TensorView added = context.arena.allocate(x.dtype, x.shape);
  part(TensorView(), added);
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
  const int64_t T = x.rows();
  {
    const Arena::Mark mark(context.arena);
    const TensorView qkv = attention.allocate_projections(context, T);
    for_each_chunk(context, T, [&](const Rows& rows) {
      const TensorView normal = apply_norm(context, attention_norm, rows.of(x));
      attention.project(context, batch, rows, normal, qkv);
    });
    for_each_chunk(context, T, [&](const Rows& rows) {
      add(context, rows.of(x), attention_post_norm,
          [&](const TensorView& residual, const TensorView& out) {
            attention.attend(context, batch, rows, qkv, residual, out);
          });
    });
  }
  for_each_chunk(context, T, [&](const Rows& rows) {
    const TensorView normal = apply_norm(context, feed_forward_norm, rows.of(x));
    add(context, rows.of(x), feed_forward_post_norm,
        [&](const TensorView& residual, const TensorView& out) {
          feed_forward->forward(context, batch, normal, residual, out);
        });
  });
}

}  // namespace wde::layers
