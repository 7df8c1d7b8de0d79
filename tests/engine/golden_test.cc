// The engine, end to end, against transformers and sentence-transformers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "support/golden_file.h"
#include "support/paths.h"
#include "wde/engine.h"

namespace wde {
namespace {

using test::Golden;
using test::GoldenCase;

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(test::fixture("goldens"))) {
    const std::string name = entry.path().stem().string();
    if (name != "minilm") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

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

// Answers to all cases, of one engine where the case asks for no engine-wide option.
void expect_golden(const Golden& golden, const EngineOptions& options, float tolerance) {
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
    EXPECT_LE(test::largest_difference(embedded->values, golden_case.embedding),
              tolerance * magnitude(golden_case.embedding));
    if (golden_case.hidden.empty()) continue;
    Request request = golden_case.request;
    request.task = Task::kHidden;
    request.dimensions.reset();
    const Result<Response> hidden = engine.run(request);
    ASSERT_TRUE(hidden.ok()) << hidden.status().message();
    EXPECT_EQ(hidden->rows, golden_case.tokens);
    EXPECT_LE(test::largest_difference(hidden->values, golden_case.hidden),
              tolerance * magnitude(golden_case.hidden));
  }
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

INSTANTIATE_TEST_SUITE_P(Models, TinyModelGolden, testing::ValuesIn(golden_names()),
                         [](const auto& parameter) { return parameter.param; });

struct Agreement {
  float largest_difference = 0;
  double smallest_cosine = 1;
};

Agreement agreement_with_minilm(const std::string& model, const std::string& dtype, int* left_out) {
  const Golden golden = test::read_golden(test::fixture("goldens/minilm.json"), left_out);
  EngineOptions options;
  options.model = model;
  options.dtype = dtype;
  const auto engine = load(options, GoldenCase{});
  Agreement agreement;
  if (engine == nullptr) return agreement;
  for (const GoldenCase& golden_case : golden.cases) {
    SCOPED_TRACE(golden_case.description);
    const Result<Response> response = engine->run(golden_case.request);
    EXPECT_TRUE(response.ok()) << response.status().message();
    if (!response.ok()) continue;
    EXPECT_EQ(response->tokens, golden_case.tokens);
    agreement.largest_difference =
        std::max(agreement.largest_difference,
                 test::largest_difference(response->values, golden_case.embedding));
    agreement.smallest_cosine =
        std::min(agreement.smallest_cosine, test::cosine(response->values, golden_case.embedding));
  }
  return agreement;
}

TEST(RealModelGolden, F32EqualsSentenceTransformers) {
  const std::string model = test::real_model();
  WDE_SKIP_WITHOUT(model, "all-MiniLM-L6-v2 (WDE_TEST_MODEL)");
  int left_out = 0;
  const Agreement agreement = agreement_with_minilm(model, "f32", &left_out);
  std::printf(
      "f32: largest difference %.3g, smallest cosine %.9f, %d cases left out (no real data)\n",
      agreement.largest_difference, agreement.smallest_cosine, left_out);
  EXPECT_LE(agreement.largest_difference, 2e-5f);
  EXPECT_GE(agreement.smallest_cosine, 0.99999);
}

TEST(RealModelGolden, Bf16StaysNear) {
  const std::string model = test::real_model();
  WDE_SKIP_WITHOUT(model, "all-MiniLM-L6-v2 (WDE_TEST_MODEL)");
  int left_out = 0;
  const Agreement agreement = agreement_with_minilm(model, "bf16", &left_out);
  std::printf("bf16: smallest cosine %.6f, %d cases left out (no real data)\n",
              agreement.smallest_cosine, left_out);
  EXPECT_GE(agreement.smallest_cosine, 0.995);
}

}  // namespace
}  // namespace wde
