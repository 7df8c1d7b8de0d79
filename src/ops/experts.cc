#include "ops/experts.h"

#include <fmt/format.h>

#include "base/status.h"
#include "ops/cpu/grouped_experts.h"
#include "ops/parallel.h"
#include "ops/profile.h"
#include "ops/ref/reference_experts.h"

namespace wde::ops {
namespace {

void check_weights(const ExpertsProblem& p, const ExpertsWeights& weights) {
  WDE_CHECK(p.top_k >= 1 && p.top_k <= p.experts && p.hidden_size > 0 && p.inner_size > 0);
  WDE_CHECK(weights.router.shape == Shape({p.experts, p.hidden_size}));
  WDE_CHECK(weights.up.shape == Shape({p.experts * p.inner_size, p.hidden_size}));
  WDE_CHECK(weights.down.shape == Shape({p.experts * p.hidden_size, p.inner_size}));
  WDE_CHECK(weights.bias.data == nullptr ||
            (weights.bias.dtype == DType::kF32 && weights.bias.shape == Shape({p.hidden_size})));
}

void check_matrix(const TensorView& view, const ExpertsProblem& problem, int64_t rows) {
  WDE_CHECK(view.dtype == problem.dtype && view.shape == Shape({rows, problem.hidden_size}));
}

OpWork work(const ExpertsProblem& p, int64_t rows) {
  const double products =
      static_cast<double>(rows * p.top_k) * static_cast<double>(2 * p.hidden_size * p.inner_size) +
      static_cast<double>(rows * p.experts * p.hidden_size);
  return {.flops = 2.0 * products, .bytes = static_cast<double>(packed_bytes(p))};
}

}  // namespace

size_t packed_bytes(const ExpertsProblem& p) {
  const GemmProblem router{.dtype = p.dtype, .n = p.experts, .k = p.hidden_size};
  const GemmProblem up{
      .dtype = p.dtype, .n = p.inner_size, .k = p.hidden_size, .weights = p.weights};
  const GemmProblem down{
      .dtype = p.dtype, .n = p.hidden_size, .k = p.inner_size, .weights = p.weights};
  return packed_bytes(router) +
         static_cast<size_t>(p.experts) * (packed_bytes(up) + packed_bytes(down)) +
         static_cast<size_t>(p.hidden_size) * sizeof(float);
}

Result<std::unique_ptr<Experts>> create_experts(const ExpertsProblem& problem,
                                                const ExpertsWeights& weights, Device& device,
                                                const OpTable& ops, std::string_view gemm_backend) {
  check_weights(problem, weights);
  if (device.kind() == "cpu")
    return create_grouped_experts(problem, weights, device, ops, gemm_backend);
  return ref::create_reference_experts(problem, weights, device);
}

void run_experts(OpContext& context, const Experts& experts, const ExpertsArgs& args) {
  const ExpertsProblem& problem = experts.problem();
  const int64_t rows = args.x.rows();
  check_matrix(args.x, problem, rows);
  check_matrix(args.out, problem, rows);
  if (args.residual.data != nullptr) check_matrix(args.residual, problem, rows);
  const Arena::Mark mark(context.arena);
  const size_t bytes = experts.workspace_bytes(rows, thread_count(context.pool));
  const TensorView workspace =
      context.arena.allocate(DType::kU8, Shape({static_cast<int64_t>(bytes)}));
  if (context.measuring || rows == 0) return;
  const ProfileScope scope(context, [&] {
    return std::pair(fmt::format("experts {} of {}", problem.top_k, problem.experts),
                     work(problem, rows));
  });
  experts.run(context, args, workspace.data);
}

}  // namespace wde::ops
