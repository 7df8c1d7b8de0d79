// --enable-bidirectional: the flag against the files, and what can't honour it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support/golden_file.h"
#include "support/paths.h"
#include "wde/engine.h"

namespace wde {
namespace {

using testing::HasSubstr;

std::string module(const ModelInfo& info, std::string_view slot) {
  for (const ChosenModule& chosen : info.modules) {
    if (chosen.slot == slot) return chosen.name;
  }
  return "";
}

EngineOptions options_of(const std::string& model, std::optional<bool> bidirectional) {
  EngineOptions options;
  options.model = test::fixture(model);
  options.enable_bidirectional = bidirectional;
  return options;
}

// The weights of the two models are the same; one is causal, the other says it is not.
void expect_answers(const std::string& golden_name, const EngineOptions& options) {
  const auto engine = Engine::load(options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  const test::Golden golden = test::read_golden(test::fixture("goldens/" + golden_name + ".json"));
  for (const test::GoldenCase& golden_case : golden.cases) {
    if (golden_case.prompt || golden_case.max_length) continue;
    const auto answered = (*engine)->run(golden_case.request);
    ASSERT_TRUE(answered.ok()) << answered.status().message();
    float magnitude = 0;
    for (const float value : golden_case.embedding)
      magnitude = std::max(magnitude, std::abs(value));
    EXPECT_LE(test::largest_difference(answered->values, golden_case.embedding), 2e-5f * magnitude);
  }
}

TEST(EnableBidirectional, WinsOverTheFiles) {
  expect_answers("llama_bidirectional", options_of("models/llama_weighted", true));
  expect_answers("llama_weighted", options_of("models/llama_bidirectional", false));
  expect_answers("llama_weighted", options_of("models/llama_weighted", std::nullopt));
}

TEST(EnableBidirectional, ChoosesTheWorkflow) {
  const auto causal = Engine::plan(options_of("models/llama_weighted", std::nullopt));
  ASSERT_TRUE(causal.ok()) << causal.status().message();
  EXPECT_EQ(module(*causal, "workflow"), "decoder_embedding");
  EXPECT_EQ(module(*causal, "mask"), "causal");
  const auto flagged = Engine::plan(options_of("models/llama_weighted", true));
  ASSERT_TRUE(flagged.ok()) << flagged.status().message();
  EXPECT_EQ(module(*flagged, "workflow"), "bidirectional_embedding");
  EXPECT_EQ(module(*flagged, "mask"), "bidirectional");
}

TEST(EnableBidirectional, IsRefusedByNameWhereThereIsNoChoice) {
  for (const char* model : {"models/mean_normalize", "models/clip"}) {
    const Status refused = Engine::plan(options_of(model, true)).status();
    EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(refused.message(), HasSubstr("--enable-bidirectional"));
  }
}

TEST(EnableBidirectional, AForcedWorkflowOfTheOtherMaskIsRefused) {
  EngineOptions options = options_of("models/llama_weighted", true);
  options.workflow = "decoder_embedding";
  const Status refused = Engine::plan(options).status();
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.message(), HasSubstr("its attention is bidirectional"));
}

TEST(DecoderOptions, AreRefusedByWorkflowsThatDoNotKnowThem) {
  EngineOptions options = options_of("models/llama_weighted", std::nullopt);
  options.true_token = "yes";
  const Status refused = Engine::plan(options).status();
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("--true-token"));
}

}  // namespace
}  // namespace wde
