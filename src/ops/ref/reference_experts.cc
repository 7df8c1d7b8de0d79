#include "ops/ref/reference_experts.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/status.h"
#include "ops/host_launch.h"
#include "ops/quantize.h"
#include "ops/ref/kernels.h"
#include "tensor/computed_rows.h"

namespace wde::ops::ref {
namespace {

struct ReferenceExpertsArgs {
  ExpertsProblem problem;
  ExpertsArgs io;
  TensorView router, up, down, bias;  // f32, as ExpertsWeights
};

template <class Visit>
void visit_views(ReferenceExpertsArgs& args, const Visit& visit) {
  for (TensorView* view :
       {&args.io.x, &args.io.residual, &args.router, &args.up, &args.down, &args.bias}) {
    visit(*view, Access::kRead);
  }
  visit(args.io.out, Access::kWrite);
}

double element(const TensorView& view, int64_t row, int64_t column) {
  const int64_t i = row * view.row_stride + column;
  return view.dtype == DType::kBF16 ? to_f32(view.as<const bf16>()[i]) : view.as<const float>()[i];
}

double dot(const std::vector<double>& x, const TensorView& matrix, int64_t row) {
  double sum = 0;
  for (size_t c = 0; c < x.size(); ++c) sum += x[c] * element(matrix, row, static_cast<int64_t>(c));
  return sum;
}

std::vector<double> shares_of(const ReferenceExpertsArgs& args, const std::vector<double>& x) {
  std::vector<double> shares;
  for (int64_t e = 0; e < args.problem.experts; ++e) shares.push_back(dot(x, args.router, e));
  const double largest = *std::max_element(shares.begin(), shares.end());
  double sum = 0;
  for (double& share : shares) sum += share = std::exp(share - largest);
  for (double& share : shares) share /= sum;
  return shares;
}

// y += share * expert e's answer.
void add_expert(const ReferenceExpertsArgs& args, const std::vector<double>& x, int64_t e,
                double share, std::vector<double>* y) {
  const ExpertsProblem& p = args.problem;
  std::vector<double> inner;
  for (int64_t f = 0; f < p.inner_size; ++f) {
    inner.push_back(activate(p.activation, dot(x, args.up, e * p.inner_size + f)));
  }
  for (int64_t c = 0; c < p.hidden_size; ++c) {
    (*y)[static_cast<size_t>(c)] += share * dot(inner, args.down, e * p.hidden_size + c);
  }
}

void compute_row(const ReferenceExpertsArgs& args, int64_t t) {
  const ExpertsProblem& p = args.problem;
  std::vector<double> x, y;
  for (int64_t c = 0; c < p.hidden_size; ++c) {
    x.push_back(element(args.io.x, t, c));
    y.push_back((args.bias.data == nullptr ? 0.0 : element(args.bias, 0, c)) +
                (args.io.residual.data == nullptr ? 0.0 : element(args.io.residual, t, c)));
  }
  const std::vector<double> shares = shares_of(args, x);
  std::vector<int64_t> order(shares.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return shares[static_cast<size_t>(a)] > shares[static_cast<size_t>(b)];
  });
  for (int64_t i = 0; i < p.top_k; ++i) {
    const int64_t e = order[static_cast<size_t>(i)];
    add_expert(args, x, e, shares[static_cast<size_t>(e)], &y);
  }
  for (int64_t c = 0; c < p.hidden_size; ++c) {
    const int64_t i = t * args.io.out.row_stride + c;
    const auto rounded = static_cast<float>(y[static_cast<size_t>(c)]);
    if (args.io.out.dtype == DType::kBF16)
      args.io.out.as<bf16>()[i] = to_bf16(rounded);
    else
      args.io.out.as<float>()[i] = rounded;
  }
}

void compute(const ReferenceExpertsArgs& args) {
  for (int64_t t = 0; t < args.io.x.rows(); ++t) compute_row(args, t);
}

class ReferenceExperts final : public Experts {
 public:
  ReferenceExperts(const ExpertsProblem& problem, Storage storage,
                   const ReferenceExpertsArgs& views)
      : problem_(problem), storage_(std::move(storage)), views_(views) {}

  const ExpertsProblem& problem() const override { return problem_; }
  std::string_view gemm_name() const override { return "reference"; }
  size_t weight_bytes() const override { return storage_.size_bytes(); }
  size_t workspace_bytes(int64_t, int) const override { return 0; }
  void run(OpContext& context, const ExpertsArgs& args, void*) const override {
    ReferenceExpertsArgs all = views_;
    all.io = args;
    launch_on_host(context.stream, "experts", all, compute);
  }

 private:
  ExpertsProblem problem_;
  Storage storage_;
  ReferenceExpertsArgs views_;  // of the storage
};

// Appends a matrix as f32, its numbers rounded to what the problem's format can say.
void append(const TensorView& host, DType dtype, WeightFormat format, std::vector<float>* to) {
  const auto columns = static_cast<size_t>(host.row_elements());
  std::vector<float> row(columns);
  std::vector<int8_t> quantized(columns);
  for (int64_t r = 0; r < host.rows(); ++r) {
    read_f32(host.slice_rows(r, 1), row.data());
    const float scale =
        format == WeightFormat::kInt8 ? quantize_weights(row, quantized.data()) : 0.0f;
    for (size_t c = 0; c < columns; ++c) {
      if (format == WeightFormat::kInt8)
        row[c] = scale * static_cast<float>(quantized[c]);
      else if (dtype == DType::kBF16)
        row[c] = to_f32(to_bf16(row[c]));
    }
    to->insert(to->end(), row.begin(), row.end());
  }
}

}  // namespace

Result<std::unique_ptr<Experts>> create_reference_experts(const ExpertsProblem& problem,
                                                          const ExpertsWeights& weights,
                                                          Device& device) {
  std::vector<float> values;
  append(weights.router, problem.dtype, WeightFormat::kDType, &values);
  append(weights.up, problem.dtype, problem.weights, &values);
  append(weights.down, problem.dtype, problem.weights, &values);
  if (weights.bias.data != nullptr) {
    const auto* bias = weights.bias.as<const float>();
    values.insert(values.end(), bias, bias + problem.hidden_size);
  }
  WDE_ASSIGN_OR_RETURN(Storage storage, device.allocate(values.size() * sizeof(float)));
  const std::unique_ptr<Stream> stream = device.create_stream();
  stream->copy_to_device(storage.data(), values.data(), values.size() * sizeof(float));
  WDE_RETURN_IF_ERROR(stream->synchronize());
  auto* at = static_cast<float*>(storage.data());
  const auto take = [&at](const Shape& shape) {
    const TensorView view = TensorView::contiguous(at, DType::kF32, shape);
    at += shape.elements();
    return view;
  };
  ReferenceExpertsArgs views{.problem = problem};
  views.router = take(weights.router.shape);
  views.up = take(weights.up.shape);
  views.down = take(weights.down.shape);
  if (weights.bias.data != nullptr) views.bias = take(Shape({1, problem.hidden_size}));
  return std::unique_ptr<Experts>(
      std::make_unique<ReferenceExperts>(problem, std::move(storage), views));
}

}  // namespace wde::ops::ref
