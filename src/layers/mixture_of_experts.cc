#include "layers/mixture_of_experts.h"

#include <vector>

#include "base/status.h"
#include "tensor/computed_rows.h"

namespace wde::layers {
namespace {

// [E F, C] to [E C, F].
std::vector<float> transpose_each(const TensorView& down, int64_t experts) {
  const auto C = static_cast<size_t>(down.shape[1]);
  const auto F = static_cast<size_t>(down.rows() / experts);
  std::vector<float> transposed(static_cast<size_t>(down.shape.elements()));
  std::vector<float> row(C);
  for (size_t r = 0; r < static_cast<size_t>(down.rows()); ++r) {
    read_f32(down.slice_rows(static_cast<int64_t>(r), 1), row.data());
    float* expert = transposed.data() + r / F * C * F;
    for (size_t c = 0; c < C; ++c) expert[c * F + r % F] = row[c];
  }
  return transposed;
}

}  // namespace

Result<std::unique_ptr<FeedForward>> MixtureOfExperts::load(LoadContext& context,
                                                            const Weights& weights,
                                                            const Choice& choice) {
  const int64_t C = weights.up.shape[1];
  const ops::ExpertsProblem problem{.dtype = context.dtype,
                                    .weights = context.weights,
                                    .hidden_size = C,
                                    .inner_size = weights.up.rows() / choice.experts,
                                    .experts = choice.experts,
                                    .top_k = choice.top_k,
                                    .activation = choice.activation};
  auto layer = std::make_unique<MixtureOfExperts>();
  if (context.planning) {
    context.weight_bytes += ops::packed_bytes(problem);
    return std::unique_ptr<FeedForward>(std::move(layer));
  }
  std::vector<float> down = transpose_each(weights.down, choice.experts);
  std::vector<float> bias(weights.bias.data == nullptr ? 0 : static_cast<size_t>(C));
  ops::ExpertsWeights host{.router = weights.router,
                           .up = weights.up,
                           .down = TensorView::contiguous(
                               down.data(), DType::kF32, {choice.experts * C, problem.inner_size})};
  if (!bias.empty()) {
    read_f32(weights.bias, bias.data());
    host.bias = TensorView::contiguous(bias.data(), DType::kF32, {C});
  }
  WDE_ASSIGN_OR_RETURN(layer->experts_, ops::create_experts(problem, host, *context.device,
                                                            context.ops, context.gemm_backend));
  context.weight_bytes += layer->experts_->weight_bytes();
  return std::unique_ptr<FeedForward>(std::move(layer));
}

void MixtureOfExperts::forward(ops::OpContext& context, const TokenBatch& /*batch*/,
                               const TensorView& x, const TensorView& residual,
                               const TensorView& out) const {
  ops::run_experts(context, *experts_, {.x = x, .residual = residual, .out = out});
}

}  // namespace wde::layers
