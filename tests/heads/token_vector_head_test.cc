// A vector for every token against plain loops.
#include "heads/token_vector_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "head_runner.h"
#include "plain_steps.h"

namespace wde::heads {
namespace {

using ops::Activation;
using test::dense;
using test::expect_rows;
using test::Hidden;
using test::hyperbolic_tangent;
using test::identity;
using test::make_linear;
using test::normalize;
using test::numbers;
using test::RowsOf;
using wde::test::MemoryWeights;

constexpr int64_t kC = 5;
constexpr int64_t kT = 8;

Hidden make_hidden() {
  return {.columns = kC, .values = numbers(kT * kC, 0.3), .lengths = {3, 1, 4}, .skip = {0, 0, 0}};
}

RowsOf rows_of(const Hidden& hidden) {
  RowsOf rows;
  for (int64_t t = 0; t < hidden.tokens(); ++t) {
    rows.emplace_back();
    for (int64_t c = 0; c < kC; ++c) rows.back().push_back(hidden.at(t, c));
  }
  return rows;
}

// On the CPU, and where the host can't reach what the device computes.
class TokenVectorHeadOn : public testing::TestWithParam<std::string> {
 protected:
  std::vector<float> run(const std::vector<Step>& steps, DType dtype = DType::kF32) {
    layers::LoadContext context = runner_.load_context(dtype);
    const auto head = TokenVectorHead::load(context, steps, kC);
    EXPECT_TRUE(head.ok()) << head.status().message();
    EXPECT_EQ((*head)->rows(), Rows::kPerToken);
    EXPECT_EQ((*head)->columns(), columns_after(steps, kC));
    return runner_.run(**head, hidden_, dtype);
  }

  test::HeadRunner runner_{GetParam()};
  Hidden hidden_ = make_hidden();
};

TEST_P(TokenVectorHeadOn, WithoutStepsTheHiddenStatesThemselves) {
  expect_rows(run({}), rows_of(hidden_));
  expect_rows(run({NormalizeStep{}}), normalize(rows_of(hidden_)));
}

TEST_P(TokenVectorHeadOn, ADenseWithAResidualAddsItsInput) {
  const MemoryWeights weights = make_linear(kC, kC);
  const RowsOf rows = rows_of(hidden_);
  expect_rows(
      run({DenseStep{.in_features = kC,
                     .out_features = kC,
                     .residual = true,
                     .activation = Activation::kTanh,
                     .weights = &weights}}),
      test::added(dense(rows, numbers(kC * kC, 2.0), numbers(kC, 5.0), kC, hyperbolic_tangent),
                  rows));
}

TEST_P(TokenVectorHeadOn, StepsInTheirOrder) {
  const MemoryWeights first = make_linear(7, kC);
  MemoryWeights second = make_linear(3, 7);
  second.set("residual.weight", {3, 7}, numbers(21, 9.0));
  const RowsOf middle =
      normalize(dense(rows_of(hidden_), numbers(7 * kC, 2.0), numbers(7, 5.0), 7, identity));
  const RowsOf last = test::added(dense(middle, numbers(21, 2.0), numbers(3, 5.0), 3, identity),
                                  dense(middle, numbers(21, 9.0), {}, 3, identity));
  std::vector<Step> steps = {
      DenseStep{.in_features = kC, .out_features = 7, .weights = &first}, NormalizeStep{},
      DenseStep{.in_features = 7, .out_features = 3, .residual = true, .weights = &second}};
  expect_rows(run(steps), last);
  steps.emplace_back(NormalizeStep{});
  expect_rows(run(steps), normalize(last));
}

TEST_P(TokenVectorHeadOn, IsF32InABf16Model) {
  for (float& value : hidden_.values) value = to_f32(to_bf16(value));
  const MemoryWeights weights = make_linear(3, kC);
  expect_rows(
      run({DenseStep{.in_features = kC, .out_features = 3, .weights = &weights}}, DType::kBF16),
      dense(rows_of(hidden_), numbers(3 * kC, 2.0), numbers(3, 5.0), 3, identity));
}

INSTANTIATE_TEST_SUITE_P(Devices, TokenVectorHeadOn,
                         testing::Values(std::string("cpu"), std::string("emulated")),
                         [](const auto& device) { return device.param; });

TEST(TokenVectorHead, ADenseMustTakeWhatComesBeforeIt) {
  test::HeadRunner runner("cpu");
  layers::LoadContext context = runner.load_context();
  const MemoryWeights weights = make_linear(3, 7);
  const std::vector<Step> steps = {
      DenseStep{.in_features = 7, .out_features = 3, .weights = &weights}};
  const Status status = TokenVectorHead::load(context, steps, kC).status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), testing::HasSubstr("takes 7 features, but 5 come before it"));
}

}  // namespace
}  // namespace wde::heads
