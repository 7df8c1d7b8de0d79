// The heads that follow recipes against plain loops.
#include <gtest/gtest.h>

#include <cmath>

#include "head_runner.h"
#include "heads/logits_head.h"
#include "heads/vocabulary_head.h"
#include "support/memory_weights.h"

namespace wde::heads {
namespace {

using test::HeadRunner;
using test::Hidden;
using wde::test::MemoryWeights;

constexpr int64_t kC = 5;

// Reproducible numbers of both signs.
std::vector<float> numbers(int64_t count, double step) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(std::sin(static_cast<double>(i) * step + step)));
  }
  return values;
}

Hidden make_hidden() {
  return {.columns = kC, .values = numbers(6 * kC, 0.37), .lengths = {3, 1, 2}, .skip = {1, 0, 1}};
}

using Row = std::vector<double>;

Row linear(const Row& x, int64_t outputs, double step, double bias_step) {
  const std::vector<float> weight = numbers(outputs * static_cast<int64_t>(x.size()), step);
  const std::vector<float> bias = numbers(outputs, bias_step);
  Row y;
  for (size_t n = 0; n < static_cast<size_t>(outputs); ++n) {
    y.push_back(bias[n]);
    for (size_t k = 0; k < x.size(); ++k) y[n] += x[k] * weight[n * x.size() + k];
  }
  return y;
}

Row tanh_of(Row x) {
  for (double& value : x) value = std::tanh(value);
  return x;
}

Row token(const Hidden& hidden, int64_t index) {
  Row row;
  for (int64_t c = 0; c < hidden.columns; ++c) row.push_back(hidden.at(index, c));
  return row;
}

MemoryWeights make_weights(int64_t labels) {
  MemoryWeights weights;
  weights.set("bert.pooler.dense.weight", {kC, kC}, numbers(kC * kC, 1.1));
  weights.set("bert.pooler.dense.bias", {kC}, numbers(kC, 1.2));
  weights.set("classifier.weight", {labels, kC}, numbers(labels * kC, 1.3));
  weights.set("classifier.bias", {labels}, numbers(labels, 1.4));
  return weights;
}

void expect_rows(const std::vector<float>& actual, const std::vector<Row>& expected) {
  ASSERT_EQ(actual.size(), expected.size() * expected.front().size());
  for (size_t i = 0; i < actual.size(); ++i) {
    const size_t columns = expected.front().size();
    EXPECT_NEAR(actual[i], expected[i / columns][i % columns], 2e-6) << "element " << i;
  }
}

class RecipeHeads : public testing::TestWithParam<std::string> {
 protected:
  RecipeSource source(const char* architecture, const MemoryWeights& weights) {
    return {.recipe = find_recipe(architecture),
            .config = &config,
            .weights = &weights,
            .hidden_size = kC};
  }
  std::vector<float> run(Result<std::unique_ptr<Head>> head, const Hidden& hidden) {
    EXPECT_TRUE(head.ok()) << head.status().message();
    return runner.run(**head, hidden);
  }

  json::object config;
  HeadRunner runner{GetParam()};
  layers::LoadContext context = runner.load_context();
};

TEST_P(RecipeHeads, TheFirstTokenThroughThePooler) {
  const MemoryWeights weights = make_weights(3);
  const Hidden hidden = make_hidden();
  std::vector<Row> expected;
  for (const int64_t first : {0, 3, 4}) {  // what the prompt skips does not matter here
    expected.push_back(linear(tanh_of(linear(token(hidden, first), kC, 1.1, 1.2)), 3, 1.3, 1.4));
  }
  expect_rows(
      run(LogitsHead::load(context, source("BertForSequenceClassification", weights), 3), hidden),
      expected);
}

TEST_P(RecipeHeads, EveryToken) {
  const MemoryWeights weights = make_weights(4);
  const Hidden hidden = make_hidden();
  std::vector<Row> expected;
  for (int64_t t = 0; t < 6; ++t) expected.push_back(linear(token(hidden, t), 4, 1.3, 1.4));
  expect_rows(
      run(LogitsHead::load(context, source("BertForTokenClassification", weights), 4), hidden),
      expected);
}

// More entries than one block, the last block not full; the decoder tied to the embeddings.
TEST_P(RecipeHeads, TheLargestLogitOfEachVocabularyEntry) {
  constexpr int64_t kV = 1030;
  MemoryWeights weights;
  weights.set("cls.predictions.transform.dense.weight", {kC, kC}, numbers(kC * kC, 1.1));
  weights.set("cls.predictions.transform.dense.bias", {kC}, numbers(kC, 1.2));
  weights.set("cls.predictions.transform.LayerNorm.gamma", {kC}, numbers(kC, 0.2));
  weights.set("cls.predictions.transform.LayerNorm.beta", {kC}, numbers(kC, 0.3));
  weights.set("bert.embeddings.word_embeddings.weight", {kV, kC}, numbers(kV * kC, 1.3));
  weights.set("cls.predictions.bias", {kV}, numbers(kV, 1.4));
  config["hidden_act"] = "tanh";
  const Hidden hidden = make_hidden();
  const std::vector<float> gamma = numbers(kC, 0.2), beta = numbers(kC, 0.3);
  const auto logits = [&](int64_t t) {
    Row x = tanh_of(linear(token(hidden, t), kC, 1.1, 1.2));
    double mean = 0, variance = 0;
    for (const double value : x) mean += value / kC;
    for (const double value : x) variance += (value - mean) * (value - mean) / kC;
    for (size_t c = 0; c < x.size(); ++c) {
      x[c] = (x[c] - mean) / std::sqrt(variance + 1e-12) * gamma[c] + beta[c];
    }
    return linear(x, kV, 1.3, 1.4);
  };
  std::vector<Row> expected;
  for (const auto& [begin, end] : {std::pair(0, 3), std::pair(3, 4), std::pair(4, 6)}) {
    Row largest = logits(begin);
    for (int64_t t = begin + 1; t < end; ++t) {
      const Row row = logits(t);
      for (size_t v = 0; v < row.size(); ++v) largest[v] = std::max(largest[v], row[v]);
    }
    expected.push_back(largest);
  }
  const std::vector<float> actual =
      run(VocabularyHead::load(context, source("BertForMaskedLM", weights), kV), hidden);
  ASSERT_EQ(actual.size(), expected.size() * kV);
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i / kV][i % kV], 2e-5) << i;
  }
}

TEST_P(RecipeHeads, WhatIsMissingOrMisshapenIsNamed) {
  MemoryWeights weights = make_weights(3);
  const auto wrong = LogitsHead::load(context, source("BertForSequenceClassification", weights), 4);
  EXPECT_EQ(wrong.status().code(), StatusCode::kDataLoss);
  EXPECT_NE(wrong.status().message().find("classifier.weight"), std::string::npos);
  weights.rename("bert.pooler.dense.weight", "pooler.dense.weight");  // found all the same
  EXPECT_TRUE(LogitsHead::load(context, source("BertForSequenceClassification", weights), 3).ok());
  weights.remove("pooler.dense.weight");
  const auto missing =
      LogitsHead::load(context, source("BertForSequenceClassification", weights), 3);
  EXPECT_EQ(missing.status().code(), StatusCode::kNotFound);
  EXPECT_NE(missing.status().message().find("bert.pooler.dense.weight"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Devices, RecipeHeads, testing::Values("cpu", "emulated"),
                         [](const auto& instance) { return instance.param; });

TEST(Recipes, EveryArchitectureOnceWithItsParts) {
  for (const Recipe& recipe : recipes()) {
    SCOPED_TRACE(recipe.architecture);
    EXPECT_EQ(find_recipe(recipe.architecture), &recipe);
    EXPECT_FALSE(recipe.backbone.empty());
    EXPECT_FALSE(recipe.output.module.empty());
    EXPECT_EQ(recipe.kind == HeadKind::kSequenceClassification,
              recipe.rows != RowChoice::kEveryToken);
  }
  EXPECT_EQ(find_recipe("BertModel"), nullptr);
}

}  // namespace
}  // namespace wde::heads
