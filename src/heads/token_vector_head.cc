#include "heads/token_vector_head.h"

#include "base/status.h"
#include "heads/f32_linear.h"

namespace wde::heads {

Result<std::unique_ptr<Head>> TokenVectorHead::load(layers::LoadContext& context,
                                                    std::span<const Step> steps,
                                                    int64_t hidden_size) {
  auto head = std::make_unique<TokenVectorHead>();
  WDE_ASSIGN_OR_RETURN(head->steps_, StepChain::load(context, steps, hidden_size));
  head->columns_ = columns_after(steps, hidden_size);
  return std::unique_ptr<Head>(std::move(head));
}

void TokenVectorHead::forward(ops::OpContext& context, const TensorView& hidden,
                              const layers::TokenBatch&, const TensorView& out) const {
  if (steps_.empty()) return ops::convert(context, {.x = hidden, .out = out});
  const Arena::Mark mark(context.arena);
  steps_.forward(context, in_f32(context, hidden), out);
}

}  // namespace wde::heads
