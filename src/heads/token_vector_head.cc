#include "heads/token_vector_head.h"

#include "base/status.h"
#include "heads/f32_linear.h"

namespace wde::heads {

Result<std::unique_ptr<Head>> TokenVectorHead::load(layers::LoadContext& context,
                                                    const TokenVectorSpec& spec,
                                                    int64_t hidden_size) {
  auto head = std::make_unique<TokenVectorHead>();
  head->normalize_ = spec.normalize;
  head->columns_ = hidden_size;
  for (const TokenLinear& layer : spec.layers) {
    WDE_ASSIGN_OR_RETURN(
        const TensorView weight,
        layer.weights->tensor(layer.weight, Shape{layer.out_features, head->columns_}));
    TensorView bias;
    if (!layer.bias.empty()) {
      WDE_ASSIGN_OR_RETURN(bias, layer.weights->tensor(layer.bias, Shape{layer.out_features}));
    }
    WDE_ASSIGN_OR_RETURN(layers::Linear linear,
                         load_f32_linear(context, weight, bias, layer.activation));
    head->layers_.push_back(std::move(linear));
    head->columns_ = layer.out_features;
  }
  return std::unique_ptr<Head>(std::move(head));
}

void TokenVectorHead::forward(ops::OpContext& context, const TensorView& hidden,
                              const layers::TokenBatch&, const TensorView& out) const {
  const Arena::Mark mark(context.arena);
  if (layers_.empty()) {
    ops::convert(context, {.x = hidden, .out = out});
  } else {
    TensorView x = in_f32(context, hidden);
    for (size_t i = 0; i < layers_.size(); ++i) {
      const TensorView y =
          i + 1 == layers_.size()
              ? out
              : context.arena.allocate(DType::kF32, {x.rows(), layers_[i].outputs()});
      layers_[i].forward(context, x, y);
      x = y;
    }
  }
  if (normalize_) ops::l2_normalize(context, {.x = out, .out = out});
}

}  // namespace wde::heads
