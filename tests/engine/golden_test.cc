// The engine, end to end, against transformers and sentence-transformers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/tiers.h"
#include "support/golden_file.h"
#include "support/paths.h"
#include "wde/engine.h"

namespace wde {
namespace {

using test::Golden;
using test::GoldenCase;

float magnitude(const std::vector<float>& values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

std::unique_ptr<Engine> load(EngineOptions options, const GoldenCase& golden_case) {
  options.prompt = golden_case.prompt;
  options.max_length = golden_case.max_length;
  auto engine = Engine::load(options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engine.ok() ? std::move(*engine) : nullptr;
}

// Calls see(expected, answered) with the embedding of every case and, where the golden has them,
// its hidden states; of one engine where the case asks for no engine-wide option.
template <class See>
void compare(const Golden& golden, const EngineOptions& options, const See& see) {
  const auto shared = load(options, GoldenCase{});
  ASSERT_NE(shared, nullptr);
  for (const GoldenCase& golden_case : golden.cases) {
    SCOPED_TRACE(golden_case.description);
    std::unique_ptr<Engine> own;
    if (golden_case.prompt || golden_case.max_length) own = load(options, golden_case);
    Engine& engine = own != nullptr ? *own : *shared;

    const Result<Response> embedded = engine.run(golden_case.request);
    ASSERT_TRUE(embedded.ok()) << embedded.status().message();
    EXPECT_EQ(embedded->tokens, golden_case.tokens);
    see(golden_case.embedding, embedded->values);
    if (golden_case.hidden.empty()) continue;
    Request request = golden_case.request;
    request.task = Task::kHidden;
    request.dimensions.reset();
    const Result<Response> hidden = engine.run(request);
    ASSERT_TRUE(hidden.ok()) << hidden.status().message();
    EXPECT_EQ(hidden->rows, golden_case.tokens);
    see(golden_case.hidden, hidden->values);
  }
}

void expect_golden(const Golden& golden, const EngineOptions& options, float tolerance) {
  compare(
      golden, options, [&](const std::vector<float>& expected, const std::vector<float>& answered) {
        EXPECT_LE(test::largest_difference(answered, expected), tolerance * magnitude(expected));
      });
}

double smallest_cosine(const Golden& golden, const EngineOptions& options) {
  double smallest = 1;
  compare(golden, options,
          [&](const std::vector<float>& expected, const std::vector<float>& answered) {
            smallest = std::min(smallest, test::cosine(answered, expected));
          });
  return smallest;
}

class TinyModelGolden : public testing::TestWithParam<std::string> {};

TEST_P(TinyModelGolden, EveryDeviceBackendAndExecutor) {
  const Golden golden = test::read_golden(test::fixture("goldens/" + GetParam() + ".json"));
  ASSERT_FALSE(golden.cases.empty());
  struct Configuration {
    const char* device;
    const char* attention;
    const char* executor;
  };
  for (const Configuration& configuration :
       {Configuration{"cpu", "flash", "double_buffer"}, Configuration{"cpu", "naive", "simple"},
        Configuration{"emulated", "naive", "double_buffer"},
        Configuration{"emulated", "naive", "simple"}}) {
    SCOPED_TRACE(std::string(configuration.device) + " " + configuration.attention + " " +
                 configuration.executor);
    EngineOptions options;
    options.model = test::fixture(golden.model);
    options.device = configuration.device;
    options.attention_backend = configuration.attention;
    options.executor = configuration.executor;
    expect_golden(golden, options, 2e-5f);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TinyModelGolden, testing::ValuesIn(test::golden_names()),
                         [](const auto& parameter) { return parameter.param; });

// To the f32 answer, of whatever a golden holds: twice the error 1 - cosine that torch has there,
// in bf16 or with its dynamic quantization.
double least_cosine(const Golden& golden, const std::string& dtype) {
  return 1 - 2 * (1 - (dtype == "bf16" ? golden.bf16_cosine : golden.int8_cosine));
}

class TinyModelTier : public testing::TestWithParam<test::Tier> {};

TEST_P(TinyModelTier, EveryModel) {
  const test::Tier& tier = GetParam();
  WDE_SKIP_REFUSED(tier);
  double smallest = 1;
  for (const std::string& name : test::golden_names()) {
    SCOPED_TRACE(name);
    const Golden golden = test::read_golden(test::fixture("goldens/" + name + ".json"));
    EngineOptions options;
    options.model = test::fixture(golden.model);
    options.isa = tier.isa;
    options.dtype = tier.dtype;
    if (tier.dtype == "f32") {
      expect_golden(golden, options, 2e-5f);
      continue;
    }
    const double of_model = smallest_cosine(golden, options);
    std::printf("%s: 1 - cosine %.2e, of torch's %.2e\n", name.c_str(), 1 - of_model,
                (1 - least_cosine(golden, tier.dtype)) / 2);
    EXPECT_GE(of_model, least_cosine(golden, tier.dtype));
    smallest = std::min(smallest, of_model);
  }
  if (tier.dtype == "f32") return;
  std::printf("smallest cosine %.6f\n", smallest);
  EXPECT_LT(smallest, 0.99999) << "as near as f32: the option was ignored";
}

INSTANTIATE_TEST_SUITE_P(Tiers, TinyModelTier, testing::ValuesIn(test::every_tier()),
                         test::tier_name);

struct Agreement {
  float largest_difference = 0;
  double smallest_cosine = 1;
};

// With every `stride`-th case of the real model's golden.
Agreement agreement_with_minilm(const EngineOptions& options, size_t stride) {
  int left_out = 0;
  const Golden all = test::read_golden(test::fixture("goldens/minilm.json"), &left_out);
  Golden golden{.model = all.model, .cases = {}};
  for (size_t i = 0; i < all.cases.size(); i += stride) golden.cases.push_back(all.cases[i]);
  Agreement agreement;
  compare(
      golden, options, [&](const std::vector<float>& expected, const std::vector<float>& answered) {
        agreement.largest_difference =
            std::max(agreement.largest_difference, test::largest_difference(answered, expected));
        agreement.smallest_cosine =
            std::min(agreement.smallest_cosine, test::cosine(answered, expected));
      });
  std::printf(
      "%zu cases: largest difference %.3g, smallest cosine %.9f; %d left out (no real data)\n",
      golden.cases.size(), agreement.largest_difference, agreement.smallest_cosine, left_out);
  return agreement;
}

void expect_minilm(const std::string& model, const std::string& isa, const std::string& dtype,
                   size_t stride) {
  EngineOptions options;
  options.model = model;
  options.isa = isa;
  options.dtype = dtype;
  const Agreement agreement = agreement_with_minilm(options, stride);
  if (dtype == "f32") {
    EXPECT_LE(agreement.largest_difference, 2e-5f);
    EXPECT_GE(agreement.smallest_cosine, 0.99999);
  } else {
    EXPECT_GE(agreement.smallest_cosine, dtype == "bf16" ? 0.995 : 0.99);
  }
}

TEST(RealModelGolden, F32EqualsSentenceTransformers) {
  const std::string model = test::real_model();
  WDE_SKIP_WITHOUT(model, "all-MiniLM-L6-v2 (WDE_TEST_MODEL)");
  expect_minilm(model, "", "f32", 1);
}

TEST(RealModelGolden, Bf16StaysNear) {
  const std::string model = test::real_model();
  WDE_SKIP_WITHOUT(model, "all-MiniLM-L6-v2 (WDE_TEST_MODEL)");
  expect_minilm(model, "", "bf16", 1);
}

TEST(RealModelGolden, Int8StaysNear) {
  const std::string model = test::real_model();
  WDE_SKIP_WITHOUT(model, "all-MiniLM-L6-v2 (WDE_TEST_MODEL)");
  expect_minilm(model, "", "int8", 1);
}

class RealModelTier : public testing::TestWithParam<test::Tier> {};

TEST_P(RealModelTier, EverySixthCase) {
  const test::Tier& tier = GetParam();
  const std::string model = test::real_model();
  WDE_SKIP_WITHOUT(model, "all-MiniLM-L6-v2 (WDE_TEST_MODEL)");
  WDE_SKIP_REFUSED(tier);
  expect_minilm(model, tier.isa, tier.dtype, 6);
}

INSTANTIATE_TEST_SUITE_P(Tiers, RealModelTier, testing::ValuesIn(test::tiers_for_real_models()),
                         test::tier_name);

}  // namespace
}  // namespace wde
