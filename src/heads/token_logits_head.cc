#include "heads/token_logits_head.h"

#include <vector>

#include "base/status.h"
#include "heads/f32_linear.h"

namespace wde::heads {

Result<std::unique_ptr<Head>> TokenLogitsHead::load(layers::LoadContext& context,
                                                    const RecipeSource& source, int64_t vocab_size,
                                                    std::span<const int32_t> tokens) {
  WDE_ASSIGN_OR_RETURN(const WeightAndBias output, find_output(source, vocab_size));
  if (output.bias.data != nullptr) {
    return unsupported_error("a bias of {}: the logits of a few tokens are computed without one",
                             source.recipe->output.module);
  }
  std::vector<TensorView> rows;
  for (const int32_t token : tokens) rows.push_back(output.weight.slice_rows(token, 1));
  std::unique_ptr<ComputedRows> storage;
  auto head = std::make_unique<TokenLogitsHead>();
  WDE_ASSIGN_OR_RETURN(head->output_,
                       load_f32_linear(context, layers::stack_rows(rows, &storage), TensorView()));
  return std::unique_ptr<Head>(std::move(head));
}

void TokenLogitsHead::forward(ops::OpContext& context, const TensorView& hidden,
                              const layers::TokenBatch& batch, const TensorView& out) const {
  const Arena::Mark mark(context.arena);
  const TensorView last =
      context.arena.allocate(DType::kF32, {batch.sequences(), hidden.row_elements()});
  ops::pooling(context, {.hidden = hidden,
                         .cu_seqlens = batch.cu_seqlens,
                         .out = last,
                         .pooling = ops::Pooling::kLast});
  output_.forward(context, last, out);
}

}  // namespace wde::heads
