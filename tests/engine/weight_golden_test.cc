// Weights in other forms, end to end: adapters, codes of few bits, GGUF.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "support/golden_file.h"
#include "support/paths.h"
#include "support/temporary_folder.h"
#include "wde/engine.h"

namespace wde {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::vector<std::string> weight_golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(test::fixture("weight_goldens"))) {
    names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Calls see(expected, answered) for each case of the golden.
template <class See>
void compare(const std::string& name, EngineOptions options, const See& see) {
  const test::Golden golden = test::read_golden(test::fixture("weight_goldens/" + name + ".json"));
  ASSERT_FALSE(golden.cases.empty());
  if (options.model.empty()) options.model = test::fixture(golden.model);
  const auto engine = Engine::load(options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  for (const test::GoldenCase& golden_case : golden.cases) {
    SCOPED_TRACE(golden_case.description);
    const Result<Response> answered = (*engine)->run(golden_case.request);
    ASSERT_TRUE(answered.ok()) << answered.status().message();
    see(golden_case.embedding, answered->values);
  }
}

void expect_golden(const std::string& name, const EngineOptions& options) {
  compare(name, options, [](const std::vector<float>& expected, const std::vector<float>& found) {
    float magnitude = 0;
    for (const float value : expected) magnitude = std::max(magnitude, std::abs(value));
    EXPECT_LE(test::largest_difference(found, expected), 2e-5f * magnitude);
  });
}

class WeightGolden : public testing::TestWithParam<std::string> {};

TEST_P(WeightGolden, EveryDeviceBackendAndExecutor) {
  expect_golden(GetParam(), {.attention_backend = "flash", .executor = "double_buffer"});
  expect_golden(GetParam(), {.attention_backend = "naive", .executor = "simple"});
  expect_golden(GetParam(), {.gemm_backend = "reference"});
  expect_golden(GetParam(), {.device = "emulated", .executor = "double_buffer"});
}

TEST_P(WeightGolden, LowPrecisionIsNear) {
  for (const char* dtype : {"bf16", "int8"}) {
    compare(GetParam(), {.dtype = dtype},
            [&](const std::vector<float>& expected, const std::vector<float>& found) {
              EXPECT_GE(test::cosine(found, expected), 0.99) << dtype;
            });
  }
}

INSTANTIATE_TEST_SUITE_P(Weights, WeightGolden, testing::ValuesIn(weight_golden_names()),
                         [](const auto& parameter) { return parameter.param; });

TEST(Lora, AdaptersOfTheOptionsAreMergedInTheirOrder) {
  EngineOptions options;
  options.model = test::fixture("models/mean_normalize");
  options.lora = {test::fixture("weight_models/lora_first"),
                  test::fixture("weight_models/lora_second")};
  expect_golden("lora_second", options);
}

TEST(Lora, AnAdapterOfAnotherModelIsRefusedByItsTensor) {
  EngineOptions options;
  options.lora = {test::fixture("weight_models/lora_first")};
  options.model = test::fixture("models/distilbert");  // other names of modules
  EXPECT_THAT(Engine::load(options).status().message(),
              AllOf(HasSubstr("lora_first"), HasSubstr("base_model.model.encoder.layer.0"),
                    HasSubstr("which the model does not have")));
  options.model = test::fixture("weight_models/gptq4");  // other sizes
  EXPECT_THAT(Engine::load(options).status().message(),
              AllOf(HasSubstr("lora_first"), HasSubstr("do not fit"), HasSubstr("[64, 64]")));
  options.model = test::fixture("folder_models/static_embedding");
  EXPECT_THAT(Engine::load(options).status().message(), HasSubstr("no transformer"));
  options.model = test::fixture("models/mean_normalize");
  options.lora = {test::fixture("models/mean_normalize")};
  EXPECT_THAT(Engine::load(options).status().message(), HasSubstr("adapter_config.json"));
}

TEST(Lora, AWholeTensorThatNothingAsksForIsRefusedByItsName) {
  test::TemporaryFolder adapter;
  adapter.write("adapter_config.json",
                R"({"r":1,"lora_alpha":1,"modules_to_save":["scorer"],"peft_type":"LORA"})");
  const std::string header =
      R"({"base_model.model.scorer.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size());
  adapter.write("adapter_model.safetensors", file + header + std::string(4, '\0'));
  EngineOptions options;
  options.model = test::fixture("models/mean_normalize");
  options.lora = {adapter.root()};
  const Status refused = Engine::load(options).status();
  EXPECT_EQ(refused.code(), StatusCode::kDataLoss);
  EXPECT_THAT(refused.message(), AllOf(HasSubstr("\"scorer.weight\""), HasSubstr("brings")));
}

TEST(Lora, ATokenizerAloneComesFromTheBaseModel) {
  EngineOptions options;
  options.model = test::fixture("weight_models/lora_second");
  const auto tokenizer = TextTokenizer::load(options);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  options.model = test::fixture("models/mean_normalize");
  const auto base = TextTokenizer::load(options);
  ASSERT_TRUE(base.ok());
  EXPECT_EQ((*tokenizer)->token_ids("a ferry", true).value(),
            (*base)->token_ids("a ferry", true).value());
}

TEST(Gguf, AFolderWithOneFileIsThatFile) {
  EngineOptions options;
  options.model = test::fixture("weight_models/gguf_bert/model.gguf");
  expect_golden("gguf_bert", options);
  const auto tokenizer = TextTokenizer::load(options);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_GE((*tokenizer)->token_ids("a ferry", true)->size(), 4u);
}

TEST(Codes, StayCodesInMemory) {
  EngineOptions options;
  options.model = test::fixture("weight_models/gptq4");
  const auto coded = Engine::plan(options);
  options.model = test::fixture("weight_models/gptq8");
  const auto of_bytes = Engine::plan(options);
  ASSERT_TRUE(coded.ok() && of_bytes.ok());
  // 2 layers of 4 * 64 * 64 + 2 * 64 * 96 weights: 57344 bytes in 8 bits, half of that in 4 with a
  // scale and an offset for each 32.
  EXPECT_NEAR(
      static_cast<double>(of_bytes->weight_bytes) - static_cast<double>(coded->weight_bytes),
      57344.0 * (1 - 0.5 - 2 * 4 / 32.0), 8000);
}

}  // namespace
}  // namespace wde
