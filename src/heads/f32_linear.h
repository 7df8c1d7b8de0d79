// Linear layers of heads: computed in f32 whatever the model's precision, for they see one row a
// text, or give few numbers a token.
#pragma once

#include "layers/linear.h"

namespace wde::heads {

// As layers::Linear::load, but for the precision.
Result<layers::Linear> load_f32_linear(layers::LoadContext& context, const TensorView& weight,
                                       const TensorView& bias,
                                       ops::Activation activation = ops::Activation::kNone);

// `hidden` [T, C] itself where it is f32, else a copy of it in the context's arena.
TensorView in_f32(ops::OpContext& context, const TensorView& hidden);

}  // namespace wde::heads
