#include "layers/stacked_linear.h"

#include <utility>

#include "base/status.h"
#include "tensor/computed_rows.h"

namespace wde::layers {
namespace {

// How many matrices, from the first on, one product takes.
size_t packed_together(const LoadContext& context, std::span<const TensorView> weights,
                       const LowRankWeights& low_rank) {
  // Whoever packs anew, or into columns that adapters add, has nothing of the codes left.
  if (context.weights != ops::WeightFormat::kDType || low_rank.adapters > 0) return weights.size();
  const auto layout = code_layout(weights.front());
  size_t count = 1;
  while (count < weights.size() && code_layout(weights[count]) == layout) ++count;
  return count;
}

}  // namespace

Result<StackedLinear> StackedLinear::load(LoadContext& context, std::span<const TensorView> weights,
                                          std::span<const TensorView> biases,
                                          const LowRankWeights& low_rank) {
  WDE_CHECK(weights.size() == biases.size());
  StackedLinear stacked;
  while (!weights.empty()) {
    const size_t count = packed_together(context, weights, low_rank);
    std::unique_ptr<ComputedRows> weight_storage, bias_storage;
    const TensorView weight = stack_rows(weights.first(count), &weight_storage);
    const TensorView bias = stack_rows(biases.first(count), &bias_storage);
    WDE_ASSIGN_OR_RETURN(Linear product,
                         Linear::load(context, weight, bias, ops::Activation::kNone, low_rank));
    stacked.outputs_ += product.outputs();
    stacked.products_.push_back(std::move(product));
    weights = weights.subspan(count);
    biases = biases.subspan(count);
  }
  return stacked;
}

void StackedLinear::forward(ops::OpContext& context, const TensorView& x, const TensorView& y,
                            int adapter) const {
  int64_t column = 0;
  for (const Linear& product : products_) {
    product.forward(context, x, y.slice_columns(column, product.outputs()), {}, adapter);
    column += product.outputs();
  }
}

}  // namespace wde::layers
