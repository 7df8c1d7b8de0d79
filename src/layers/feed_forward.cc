#include "layers/feed_forward.h"

#include <array>
#include <utility>

#include "base/status.h"

namespace wde::layers {

Result<std::unique_ptr<FeedForward>> Mlp::load(LoadContext& context, const Weights& weights,
                                               ops::Activation activation) {
  auto mlp = std::make_unique<Mlp>();
  WDE_ASSIGN_OR_RETURN(mlp->up_, Linear::load(context, weights.up_weight, weights.up_bias,
                                              activation, weights.up_adapters));
  WDE_ASSIGN_OR_RETURN(mlp->down_, Linear::load(context, weights.down_weight, weights.down_bias,
                                                ops::Activation::kNone, weights.down_adapters));
  return std::unique_ptr<FeedForward>(std::move(mlp));
}

void Mlp::forward(ops::OpContext& context, const TokenBatch& batch, const TensorView& x,
                  const TensorView& residual, const TensorView& out) const {
  const Arena::Mark mark(context.arena);
  const TensorView wide = context.arena.allocate(x.dtype, {x.rows(), up_.outputs()});
  up_.forward(context, x, wide, {}, batch.adapter);
  down_.forward(context, wide, out, residual, batch.adapter);
}

Result<std::unique_ptr<FeedForward>> GatedMlp::load(LoadContext& context, const Weights& weights,
                                                    ops::Activation activation) {
  auto mlp = std::make_unique<GatedMlp>();
  mlp->activation_ = activation;
  WDE_ASSIGN_OR_RETURN(
      mlp->gate_up_,
      StackedLinear::load(context, std::array{weights.gate_weight, weights.up_weight},
                          std::array{weights.gate_bias, weights.up_bias}));
  WDE_ASSIGN_OR_RETURN(mlp->down_, Linear::load(context, weights.down_weight, weights.down_bias));
  return std::unique_ptr<FeedForward>(std::move(mlp));
}

void GatedMlp::forward(ops::OpContext& context, const TokenBatch& /*batch*/, const TensorView& x,
                       const TensorView& residual, const TensorView& out) const {
  const Arena::Mark mark(context.arena);
  const TensorView wide = context.arena.allocate(x.dtype, {x.rows(), gate_up_.outputs()});
  gate_up_.forward(context, x, wide);
  // In place: what the gate took is not read again.
  const TensorView gated = wide.slice_columns(0, gate_up_.outputs() / 2);
  ops::gated_activation(
      context,
      {.x = wide, .out = gated, .activation = activation_, .order = ops::GateOrder::kGateFirst});
  down_.forward(context, gated, out, residual);
}

}  // namespace wde::layers
