// A mixture of experts on every table against an fp64 oracle, and that a row does not depend on its
// company.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "op_runner.h"
#include "ops/experts.h"

namespace wde::ops::test {
namespace {

constexpr int64_t kHidden = 21, kInner = 37, kExperts = 5, kTopK = 2;

struct Case {
  HostTensor x, residual, router, up, down, bias;
};

Case make_case(int64_t rows, DType dtype) {
  Random random(11);
  const double scale = 1.0 / std::sqrt(static_cast<double>(kHidden));
  return {.x = random.normal(Shape({rows, kHidden}), dtype),
          .residual = random.normal(Shape({rows, kHidden}), dtype),
          .router = random.normal(Shape({kExperts, kHidden}), dtype, scale),
          .up = random.normal(Shape({kExperts * kInner, kHidden}), dtype, scale),
          .down = random.normal(Shape({kExperts * kHidden, kInner}), dtype, scale),
          .bias = random.normal(Shape({kHidden}), DType::kF32)};
}

template <class Real>
Real dot(const std::vector<Real>& x, const HostTensor& matrix, int64_t row) {
  Real sum = 0;
  for (size_t c = 0; c < x.size(); ++c)
    sum += x[c] * static_cast<Real>(matrix.at(row, static_cast<int64_t>(c)));
  return sum;
}

template <class Real>
std::vector<double> compute(const Case& c, DType dtype) {
  std::vector<double> result;
  const auto round = [&](Real value) {
    return std::is_same_v<Real, double> ? value : static_cast<Real>(round_to(dtype, value));
  };
  for (int64_t t = 0; t < c.x.rows(); ++t) {
    std::vector<Real> x, shares;
    for (int64_t i = 0; i < kHidden; ++i) x.push_back(static_cast<Real>(c.x.at(t, i)));
    for (int64_t e = 0; e < kExperts; ++e) shares.push_back(std::exp(dot(x, c.router, e)));
    const Real sum = std::accumulate(shares.begin(), shares.end(), Real{0});
    std::vector<int64_t> order(kExperts);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return shares[static_cast<size_t>(a)] > shares[static_cast<size_t>(b)];
    });
    std::vector<std::vector<Real>> inner;
    for (int64_t i = 0; i < kTopK; ++i) {
      inner.emplace_back();
      for (int64_t f = 0; f < kInner; ++f) {
        const Real up = dot(x, c.up, order[static_cast<size_t>(i)] * kInner + f);
        inner.back().push_back(round(up * (1 + std::erf(up / std::sqrt(Real{2}))) / 2));
      }
    }
    for (int64_t column = 0; column < kHidden; ++column) {
      Real y = 0;
      for (size_t i = 0; i < kTopK; ++i) {
        const int64_t e = order[i];
        y += shares[static_cast<size_t>(e)] / sum * dot(inner[i], c.down, e * kHidden + column);
      }
      y += static_cast<Real>(c.bias.at(column, 0)) + static_cast<Real>(c.residual.at(t, column));
      result.push_back(round(y));
    }
  }
  return result;
}

// A host tensor's memory, contiguous, and its view.
struct HostMemory {
  explicit HostMemory(const HostTensor& tensor)
      : bytes(tensor.values.size() * dtype_size_bytes(tensor.dtype)) {
    for (size_t i = 0; i < tensor.values.size(); ++i) {
      write_element(bytes.data() + i * dtype_size_bytes(tensor.dtype), tensor.dtype,
                    tensor.values[i]);
    }
    view = TensorView::contiguous(bytes.data(), tensor.dtype, tensor.shape);
  }
  std::vector<std::byte> bytes;
  TensorView view;
};

std::unique_ptr<Experts> create(OpRunner& runner, const Case& c, DType dtype) {
  const HostMemory router(c.router), up(c.up), down(c.down), bias(c.bias);
  const ExpertsProblem problem{.dtype = dtype,
                               .hidden_size = kHidden,
                               .inner_size = kInner,
                               .experts = kExperts,
                               .top_k = kTopK};
  return create_experts(
             problem, {.router = router.view, .up = up.view, .down = down.view, .bias = bias.view},
             runner.device(), runner.table())
      .value();
}

std::vector<double> run(OpRunner& runner, const Experts& experts, const HostTensor& x,
                        const HostTensor& residual) {
  const TensorView out = runner.upload(residual);  // in place
  OpContext context = runner.context();
  run_experts(context, experts, {.x = runner.upload(x), .residual = out, .out = out});
  return runner.download(out);
}

TEST(Experts, EveryTableAgreesWithTheOracle) {
  for (const OpTable* table : runnable_tables()) {
    for (const int threads : {1, 3}) {
      OpRunner runner(*table, threads);
      for (const DType dtype : {DType::kF32, DType::kBF16}) {
        for (const int64_t rows : {0, 1, 2, 7, 70}) {
          SCOPED_TRACE(fmt::format("{} on {}, {} threads, {}, {} rows", table->name,
                                   table->device_kind, threads, dtype_name(dtype), rows));
          Case c = make_case(rows, dtype);
          c.x.gap = 3;
          const auto experts = create(runner, c, dtype);
          expect_close(run(runner, *experts, c.x, c.residual), compute<double>(c, dtype),
                       compute<float>(c, dtype),
                       dtype == DType::kBF16 ? Tolerance{2.0, 4e-3} : Tolerance{2.0, 4e-7});
          runner.release();
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(Experts, ARowDoesNotDependOnTheOthers) {
  for (const OpTable* table : runnable_tables()) {
    SCOPED_TRACE(std::string(table->name) + " on " + std::string(table->device_kind));
    OpRunner runner(*table, 1);
    const Case c = make_case(33, DType::kF32);
    const auto experts = create(runner, c, DType::kF32);
    const std::vector<double> together = run(runner, *experts, c.x, c.residual);
    for (const int64_t t : {0, 13, 32}) {
      const auto row_of = [&](const HostTensor& all) {
        const auto begin = all.values.begin() + t * kHidden;
        return HostTensor{Shape({1, kHidden}), all.dtype, {begin, begin + kHidden}};
      };
      const std::vector<double> alone = run(runner, *experts, row_of(c.x), row_of(c.residual));
      const auto begin = together.begin() + t * kHidden;
      EXPECT_EQ(alone, std::vector<double>(begin, begin + kHidden));
    }
  }
}

}  // namespace
}  // namespace wde::ops::test
