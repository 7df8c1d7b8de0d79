// Adapters from a request to its answer: chosen by name, one a batch, the engine's default where a
// request names none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/paths.h"
#include "wde/engine.h"

namespace wde {
namespace {

using testing::AllOf;
using testing::HasSubstr;

EngineOptions jina_options() {
  EngineOptions options;
  options.model = test::fixture("models/jina_v3");
  return options;
}

std::vector<float> embed(Engine& engine, const std::optional<std::string>& adapter) {
  Request request{.input = "bread and boats"};
  request.adapter = adapter;
  const Result<Response> answer = engine.run(request);
  EXPECT_TRUE(answer.ok()) << answer.status().message();
  return answer.ok() ? answer->values : std::vector<float>();
}

TEST(Adapters, TheEnginesDefaultHoldsWhereARequestNamesNone) {
  const auto plain = Engine::load(jina_options());
  ASSERT_TRUE(plain.ok()) << plain.status().message();
  EngineOptions options = jina_options();
  options.adapter = "separation";
  const auto separating = Engine::load(options);
  ASSERT_TRUE(separating.ok()) << separating.status().message();
  const std::vector<float> none = embed(**plain, std::nullopt);
  const std::vector<float> separation = embed(**plain, "separation");
  EXPECT_NE(none, separation);
  EXPECT_EQ(embed(**separating, std::nullopt), separation);
  EXPECT_EQ(embed(**separating, ""), none);
}

TEST(Adapters, RequestsOfDifferentOnesAtOnceGetTheirOwnAnswers) {
  const auto engine = Engine::load(jina_options());
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  const std::vector<std::string> names = {"retrieval.query", "", "text-matching", "classification",
                                          "retrieval.passage"};
  std::vector<Request> requests;
  for (int i = 0; i < 40; ++i) {
    requests.push_back({.input = "bread and boats"});
    requests.back().adapter = names[static_cast<size_t>(i) % names.size()];
  }
  const auto answers = (*engine)->run_all(requests);
  ASSERT_EQ(answers.size(), requests.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    ASSERT_TRUE(answers[i].ok()) << answers[i].status().message();
    EXPECT_EQ(answers[i]->values, embed(**engine, *requests[i].adapter)) << i;
  }
}

TEST(Adapters, AnUnknownNameIsToldTheKnownOnes) {
  const auto engine = Engine::load(jina_options());
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  Request request{.input = "a"};
  request.adapter = "retrieval";
  EXPECT_THAT(
      (*engine)->run(request).status().message(),
      AllOf(HasSubstr("\"retrieval\""), HasSubstr("retrieval.query"), HasSubstr("separation")));
  EngineOptions options = jina_options();
  options.adapter = "retrieval";
  EXPECT_THAT(Engine::load(options).status().message(),
              AllOf(HasSubstr("--adapter"), HasSubstr("retrieval.query")));
}

}  // namespace
}  // namespace wde
