// Poolings, Dense and Normalize against plain loops.
#include "heads/embedding_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "head_runner.h"
#include "plain_steps.h"

namespace wde::heads {
namespace {

using ops::Activation;
using ops::Pooling;
using test::dense;
using test::expect_rows;
using test::HeadRunner;
using test::Hidden;
using test::hyperbolic_tangent;
using test::identity;
using test::make_linear;
using test::normalize;
using test::numbers;
using test::Row;
using test::RowsOf;
using testing::AllOf;
using testing::HasSubstr;
using wde::test::MemoryWeights;

constexpr int64_t kC = 5;

Hidden make_hidden() {
  return {.columns = kC, .values = numbers(8 * kC, 0.3), .lengths = {3, 1, 4}, .skip = {1, 0, 0}};
}

Row pool(const Hidden& hidden, Pooling pooling, int64_t begin, int64_t end) {
  Row row(static_cast<size_t>(hidden.columns),
          pooling == Pooling::kMax ? -std::numeric_limits<double>::infinity() : 0.0);
  for (int64_t c = 0; c < hidden.columns; ++c) {
    double& value = row[static_cast<size_t>(c)];
    for (int64_t t = begin; t < end; ++t) {
      value = pooling == Pooling::kMax ? std::max(value, hidden.at(t, c)) : value + hidden.at(t, c);
    }
    if (pooling == Pooling::kMean) value /= static_cast<double>(end - begin);
  }
  return row;
}

// Poolings (mean or max) side by side.
RowsOf pool(const Hidden& hidden, const std::vector<Pooling>& poolings) {
  RowsOf rows;
  int64_t begin = 0;
  for (size_t b = 0; b < hidden.lengths.size(); ++b) {
    Row row;
    const int64_t end = begin + hidden.lengths[b];
    for (const Pooling pooling : poolings) {
      const Row part = pool(hidden, pooling, begin + hidden.skip[b], end);
      row.insert(row.end(), part.begin(), part.end());
    }
    rows.push_back(row);
    begin = end;
  }
  return rows;
}

// On the CPU, and where the host can't reach what the device computes.
class EmbeddingHeadOn : public testing::TestWithParam<std::string> {
 protected:
  std::vector<float> run(const EmbeddingHeadSpec& spec, const Hidden& hidden,
                         DType dtype = DType::kF32) {
    layers::LoadContext context = runner_.load_context(dtype);
    auto head = EmbeddingHead::load(context, spec, hidden.columns);
    EXPECT_TRUE(head.ok()) << head.status().message();
    EXPECT_EQ(context.dtype, dtype);
    EXPECT_EQ((*head)->rows(), Rows::kPerSequence);
    columns_ = (*head)->columns();
    return runner_.run(**head, hidden, dtype);
  }

  HeadRunner runner_{GetParam()};
  int64_t columns_ = 0;
};

TEST_P(EmbeddingHeadOn, OnePoolingLeavesThePromptOut) {
  const Hidden hidden = make_hidden();
  expect_rows(run({.poolings = {Pooling::kMean}, .steps = {}}, hidden),
              pool(hidden, {Pooling::kMean}));
  EXPECT_EQ(columns_, kC);
}

TEST_P(EmbeddingHeadOn, PoolingsStandSideBySideInTheirOrder) {
  const Hidden hidden = make_hidden();
  expect_rows(run({.poolings = {Pooling::kMax, Pooling::kMean}, .steps = {}}, hidden),
              pool(hidden, {Pooling::kMax, Pooling::kMean}));
  EXPECT_EQ(columns_, 2 * kC);
}

TEST_P(EmbeddingHeadOn, DenseTakesAllPoolings) {
  const Hidden hidden = make_hidden();
  const MemoryWeights weights = make_linear(3, 2 * kC);
  const std::vector<Pooling> poolings = {Pooling::kMean, Pooling::kMax};
  expect_rows(
      run({.poolings = poolings,
           .steps = {DenseStep{.in_features = 2 * kC,
                               .out_features = 3,
                               .activation = Activation::kTanh,
                               .weights = &weights}}},
          hidden),
      dense(pool(hidden, poolings), numbers(6 * kC, 2.0), numbers(3, 5.0), 3, hyperbolic_tangent));
  EXPECT_EQ(columns_, 3);
}

TEST_P(EmbeddingHeadOn, DenseWithoutBias) {
  const Hidden hidden = make_hidden();
  MemoryWeights weights = make_linear(7, kC);
  weights.remove("linear.bias");
  expect_rows(run({.poolings = {Pooling::kMean},
                   .steps = {DenseStep{
                       .in_features = kC, .out_features = 7, .bias = false, .weights = &weights}}},
                  hidden),
              dense(pool(hidden, {Pooling::kMean}), numbers(7 * kC, 2.0), {}, 7, identity));
}

TEST_P(EmbeddingHeadOn, NormalizeBetweenDenses) {
  const Hidden hidden = make_hidden();
  const MemoryWeights first = make_linear(4, kC), second = make_linear(6, 4);
  const RowsOf middle = normalize(
      dense(pool(hidden, {Pooling::kMean}), numbers(4 * kC, 2.0), numbers(4, 5.0), 4, identity));
  expect_rows(run({.poolings = {Pooling::kMean},
                   .steps = {DenseStep{.in_features = kC, .out_features = 4, .weights = &first},
                             NormalizeStep{},
                             DenseStep{.in_features = 4, .out_features = 6, .weights = &second}}},
                  hidden),
              dense(middle, numbers(24, 2.0), numbers(6, 5.0), 6, identity));
  EXPECT_EQ(columns_, 6);
}

TEST_P(EmbeddingHeadOn, NormalizeAtTheEnd) {
  const Hidden hidden = make_hidden();
  expect_rows(run({.poolings = {Pooling::kMean}, .steps = {NormalizeStep{}}}, hidden),
              normalize(pool(hidden, {Pooling::kMean})));
}

// Rounding the pooled row or the weights to bf16 would be off by a thousand times the tolerance.
TEST_P(EmbeddingHeadOn, DenseIsF32InABf16Model) {
  Hidden hidden = make_hidden();
  for (float& value : hidden.values) value = to_f32(to_bf16(value));
  const MemoryWeights weights = make_linear(3, kC);
  expect_rows(
      run({.poolings = {Pooling::kMean},
           .steps = {DenseStep{.in_features = kC, .out_features = 3, .weights = &weights}}},
          hidden, DType::kBF16),
      dense(pool(hidden, {Pooling::kMean}), numbers(3 * kC, 2.0), numbers(3, 5.0), 3, identity));
}

INSTANTIATE_TEST_SUITE_P(Devices, EmbeddingHeadOn,
                         testing::Values(std::string("cpu"), std::string("emulated")),
                         [](const auto& device) { return device.param; });

void expect_refused(const std::vector<Step>& steps, StatusCode code,
                    const testing::Matcher<std::string>& message) {
  HeadRunner runner("cpu");
  layers::LoadContext context = runner.load_context();
  const Status status =
      EmbeddingHead::load(context, {.poolings = {Pooling::kMean}, .steps = steps}, kC).status();
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_THAT(status.message(), message);
}

TEST(EmbeddingHead, ADenseMustTakeWhatComesBeforeIt) {
  const MemoryWeights weights = make_linear(3, 7);
  const DenseStep step{.in_features = 7, .out_features = 3, .weights = &weights};
  expect_refused({step}, StatusCode::kDataLoss, AllOf(HasSubstr("7"), HasSubstr("5")));

  const MemoryWeights fitting = make_linear(3, kC);
  expect_refused({DenseStep{.in_features = kC, .out_features = 3, .weights = &fitting}, step},
                 StatusCode::kDataLoss, AllOf(HasSubstr("7"), HasSubstr("3")));
}

TEST(EmbeddingHead, WeightsOfAnotherShapeAreNamed) {
  MemoryWeights weights = make_linear(3, kC);
  weights.set("linear.bias", {4}, numbers(4, 0));
  const DenseStep step{.in_features = kC, .out_features = 3, .weights = &weights};
  expect_refused({step}, StatusCode::kDataLoss,
                 AllOf(HasSubstr("linear.bias"), HasSubstr("[4]"), HasSubstr("[3]")));
  weights.set("linear.weight", {kC, 3}, numbers(3 * kC, 0));
  expect_refused({step}, StatusCode::kDataLoss,
                 AllOf(HasSubstr("linear.weight"), HasSubstr("[5, 3]"), HasSubstr("[3, 5]")));
}

TEST(EmbeddingHead, MissingWeightsAreNamed) {
  for (const char* name : {"linear.weight", "linear.bias"}) {
    MemoryWeights weights = make_linear(3, kC);
    weights.remove(name);
    expect_refused({DenseStep{.in_features = kC, .out_features = 3, .weights = &weights}},
                   StatusCode::kNotFound, HasSubstr(name));
  }
}

}  // namespace
}  // namespace wde::heads
