#include "heads/hidden_head.h"

#include "ops/ops.h"

namespace wde::heads {

void HiddenHead::forward(ops::OpContext& context, const TensorView& hidden,
                         const layers::TokenBatch&, const TensorView& out) const {
  ops::convert(context, {.x = hidden, .out = out});
}

}  // namespace wde::heads
