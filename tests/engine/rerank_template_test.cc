// --rerank-template, --true-token and --step-token: what they mean, and what is said where they
// mean nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/paths.h"
#include "support/temporary_folder.h"
#include "wde/engine.h"

namespace wde {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A language model's folder with a template of its own, "yes" and "no" in its vocabulary.
EngineOptions reranker() {
  EngineOptions options;
  options.model = test::fixture("task_models/llama_yes_no");
  options.task = Task::kRerank;
  return options;
}

std::string refusal(const EngineOptions& options) {
  const auto info = Engine::plan(options);
  return info.ok() ? "" : info.status().message();
}

float score(const EngineOptions& options, bool raw = false) {
  const auto engine = Engine::load(options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  if (!engine.ok()) return 0;
  const auto answer = (*engine)->run(
      {.task = Task::kRerank, .input = TextPair{"boats", "bread and boats"}, .raw_scores = raw});
  EXPECT_TRUE(answer.ok()) << answer.status().message();
  return answer.ok() ? answer->values.front() : 0;
}

TEST(RerankTemplate, KnownOnesAndFilesReplaceTheFoldersOwn) {
  EngineOptions known = reranker();
  known.rerank_template = "qwen3-reranker";
  EXPECT_NE(score(known), score(reranker()));
  const test::TemporaryFolder folder;
  folder.write("own.jinja", "{% for message in messages %}{{ message.content }} {% endfor %}good?");
  EngineOptions own = reranker();
  own.rerank_template = folder.path("own.jinja");
  EXPECT_NE(score(own), score(known));
}

TEST(RerankTemplate, TheWordsMakeTheScore) {
  EngineOptions yes = reranker(), no = reranker(), both = reranker();
  yes.true_token = "yes";
  no.true_token = "no";
  both.true_token = "yes";
  both.false_token = "no";
  EXPECT_NEAR(score(both, true), score(yes, true) - score(no, true), 1e-5f);
  EXPECT_EQ(score(both), score(reranker()));
}

TEST(RerankTemplate, RefusalsNameTheFlagOrTheFile) {
  EngineOptions options = reranker();
  options.rerank_template = "chatty";
  EXPECT_THAT(refusal(options), AllOf(HasSubstr("--rerank-template"), HasSubstr("\"chatty\""),
                                      HasSubstr("mxbai-rerank-v2")));
  options.rerank_template = "bge-reranker-v2-gemma";
  EXPECT_THAT(refusal(options), AllOf(HasSubstr("\"Yes\""), HasSubstr("vocabulary")));
  const test::TemporaryFolder folder;
  folder.write("broken.jinja", "a\n{% if messages %}b");
  options.rerank_template = folder.path("broken.jinja");
  EXPECT_THAT(refusal(options), AllOf(HasSubstr("broken.jinja"), HasSubstr("line 2")));
  folder.write("chat.jinja",
               "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}");
  options.rerank_template = folder.path("chat.jinja");
  EXPECT_THAT(refusal(options), AllOf(HasSubstr("chat.jinja"), HasSubstr("\"document\"")));
  options = reranker();
  options.true_token = "surely not";
  EXPECT_THAT(refusal(options), AllOf(HasSubstr("--true-token"), HasSubstr("\"surely not\"")));
  options = reranker();
  options.false_token = "no";
  EXPECT_THAT(refusal(options), HasSubstr("--false-token"));
}

TEST(StepToken, IsAWordOfTheVocabulary) {
  EngineOptions options;
  options.model = test::fixture("task_models/qwen2_process_reward");
  EXPECT_EQ(refusal(options), "");
  const auto engine = Engine::load(options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  Request request{.task = Task::kClassifyTokens, .input = "a boat"};
  EXPECT_TRUE((*engine)->run(request).ok());
  request.aggregation = Aggregation::kMax;
  EXPECT_THAT((*engine)->run(request).status().message(), HasSubstr("\"aggregation\""));
  options.step_token = "surely not";
  EXPECT_THAT(refusal(options), AllOf(HasSubstr("--step-token"), HasSubstr("\"surely not\"")));
}

}  // namespace
}  // namespace wde
