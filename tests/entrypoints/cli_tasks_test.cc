// The commands of the tasks beside embed and hidden, as a user meets them: the real process on tiny
// models. What the numbers are is the engine's goldens' to say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/json.h"
#include "entrypoints/cli_process.h"
#include "support/paths.h"

namespace wde::cli {
namespace {

using test::Ended;
using test::run_wde;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string model(const std::string& name) { return wde::test::fixture("task_models/" + name); }

std::vector<json::value> values_of(const Ended& ended) {
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  std::vector<json::value> values;
  size_t begin = 0;
  for (size_t end; (end = ended.out.find('\n', begin)) != std::string::npos; begin = end + 1) {
    auto parsed = json::parse(ended.out.substr(begin, end - begin));
    EXPECT_TRUE(parsed.ok()) << ended.out;
    if (parsed.ok()) values.push_back(std::move(*parsed));
  }
  return values;
}

double score_of(const json::value& answer) { return answer.at("score").to_number<double>(); }

TEST(TaskCommands, RerankSortsUnlessTold) {
  const std::string documents = "bread and boats\nthe old bridge\n\na river\n";
  const auto ranked =
      values_of(run_wde({"rerank", "-m", model("bert_rerank"), "--query", "boats"}, documents));
  ASSERT_EQ(ranked.size(), 4u);
  for (size_t i = 1; i < ranked.size(); ++i)
    EXPECT_GE(score_of(ranked[i - 1]), score_of(ranked[i]));
  const auto unsorted = values_of(
      run_wde({"rerank", "-m", model("bert_rerank"), "--query", "boats", "--no-sort"}, documents));
  ASSERT_EQ(unsorted.size(), 4u);
  for (size_t i = 0; i < unsorted.size(); ++i) {
    EXPECT_EQ(unsorted[i].at("index").to_number<size_t>(), i);
  }
  for (const json::value& answer : ranked) {
    EXPECT_EQ(score_of(unsorted[answer.at("index").to_number<size_t>()]), score_of(answer));
  }
  const auto raw = values_of(
      run_wde({"rerank", "-m", model("bert_rerank"), "-q", "boats", "--no-sort", "--raw-scores"},
              documents));
  EXPECT_NEAR(1 / (1 + std::exp(-score_of(raw[0]))), score_of(unsorted[0]), 1e-6);
}

TEST(TaskCommands, RerankNeedsAQueryAndSingleTexts) {
  const Ended without = run_wde({"rerank", "-m", model("bert_rerank")}, "a\n");
  EXPECT_EQ(without.exit_code, 2);
  EXPECT_THAT(without.err, HasSubstr("--query"));
  const Ended pair = run_wde({"rerank", "-m", model("bert_rerank"), "-q", "a", "--jsonl"},
                             "\"fine\"\n[\"a\",\"b\"]\n");
  EXPECT_EQ(pair.exit_code, 2);
  EXPECT_THAT(pair.err, HasSubstr("line 2"));
}

TEST(TaskCommands, ClassifyTextsAndPairs) {
  const auto answers = values_of(run_wde({"classify", "-m", model("bert_softmax"), "--jsonl"},
                                         "\"a text\"\n[\"a premise\",\"a hypothesis\"]\n"));
  ASSERT_EQ(answers.size(), 2u);
  for (const json::value& answer : answers) {
    ASSERT_EQ(answer.as_array().size(), 3u);
    double sum = 0;
    for (const json::value& label : answer.as_array()) sum += score_of(label);
    EXPECT_NEAR(sum, 1, 1e-6);
    EXPECT_GE(score_of(answer.at(0)), score_of(answer.at(2)));
  }
}

TEST(TaskCommands, ClassifyTokensCutsItsTextsFromTheInput) {
  const std::string text = "The ferry leaves the old harbour at seven.";
  const auto answers =
      values_of(run_wde({"classify-tokens", "-m", model("bert_tokens")}, text + "\n\n"));
  ASSERT_EQ(answers.size(), 2u);
  ASSERT_FALSE(answers[0].as_array().empty());
  for (const json::value& span : answers[0].as_array()) {
    const auto begin = span.at("start").to_number<size_t>(),
               end = span.at("end").to_number<size_t>();
    EXPECT_EQ(std::string_view(span.at("text").as_string()), text.substr(begin, end - begin));
  }
  EXPECT_TRUE(answers[1].as_array().empty());
  const Ended wrong =
      run_wde({"classify-tokens", "-m", model("bert_tokens"), "--aggregation", "best"}, "a\n");
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("{none,simple,first,average,max}"));
}

TEST(TaskCommands, SparseIsSortedByIndex) {
  const auto answers =
      values_of(run_wde({"sparse", "-m", model("bert_sparse")}, "bread and boats\na\n"));
  ASSERT_EQ(answers.size(), 2u);
  int64_t before = -1;
  ASSERT_FALSE(answers[0].as_array().empty());
  for (const json::value& entry : answers[0].as_array()) {
    EXPECT_GT(entry.at("index").to_number<int64_t>(), before);
    before = entry.at("index").to_number<int64_t>();
    EXPECT_GT(entry.at("value").to_number<double>(), 0);
  }
}

TEST(TaskCommands, MultivectorKnowsQueriesFromDocuments) {
  const auto document =
      values_of(run_wde({"multivector", "-m", model("colbert_stanford")}, "bread, boats.\n"));
  const auto query = values_of(run_wde(
      {"multivector", "-m", model("colbert_stanford"), "--prompt-name", "query"}, "bread\n"));
  ASSERT_EQ(query.at(0).as_array().size(), 20u);
  EXPECT_LT(document.at(0).as_array().size(), 20u);
  EXPECT_EQ(document.at(0).at(0).as_array().size(), 16u);
}

TEST(TaskCommands, ATaskThatTheModelDoesNotServe) {
  const std::string embedder = wde::test::fixture("models/mean_normalize");
  for (const char* command : {"sparse", "multivector", "classify", "classify-tokens"}) {
    const Ended ended = run_wde({command, "-m", embedder}, "a\n");
    EXPECT_EQ(ended.exit_code, 2) << command;
    EXPECT_THAT(ended.err, HasSubstr("it serves: embed, hidden"));
    EXPECT_THAT(ended.out, IsEmpty());
  }
}

// Any encoder embeds, whatever head its checkpoint carries.
TEST(TaskCommands, EmbedTakesTheEncoderOfAClassifier) {
  EXPECT_EQ(values_of(run_wde({"embed", "-m", model("bert_softmax")}, "a\n")).size(), 1u);
}

TEST(TaskCommands, InfoTellsTasksAndLabels) {
  const Ended ended = run_wde({"info", "-m", model("bert_softmax")});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("classify, hidden"));
  EXPECT_THAT(ended.out, HasSubstr("entailment, neutral, contradiction"));
  EXPECT_THAT(run_wde({"info", "-m", model("bert_softmax"), "--task", "embed"}).out,
              HasSubstr("embed, hidden"));
}

// What a vector database wants to know, more than the tokenizer has words.
TEST(TaskCommands, InfoTellsTheSizeOfSparseVectors) {
  const Ended ended = run_wde({"info", "--json", "-m", model("bert_sparse"), "--task", "sparse"});
  EXPECT_THAT(ended.out, HasSubstr("\"sparse_size\":307,\"vocab_size\":301"));
}

TEST(TaskCommands, ListShowsArchitecturesWithTheirTasks) {
  const Ended ended = run_wde({"list"});
  EXPECT_THAT(ended.out, HasSubstr("BertForSequenceClassification"));
  EXPECT_THAT(ended.out, HasSubstr("rerank, classify, embed, hidden"));
  EXPECT_THAT(ended.out, HasSubstr("cross_encoder"));
}

TEST(TaskCommands, HelpHasExamples) {
  for (const char* command : {"rerank", "classify", "classify-tokens", "sparse", "multivector"}) {
    const Ended ended = run_wde({command, "--help"});
    EXPECT_EQ(ended.exit_code, 0) << command;
    EXPECT_THAT(ended.out, HasSubstr("Examples:")) << command;
  }
}

}  // namespace
}  // namespace wde::cli
