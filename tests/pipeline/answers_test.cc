// Rows of the heads to answers, family by family.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/score_answers.h"
#include "pipeline/span_answers.h"
#include "pipeline/vector_answers.h"

namespace wde::pipeline {
namespace {

using testing::ElementsAre;
using testing::FloatNear;
using testing::IsEmpty;

Response made(const AnswerMaker& maker, const schema::SchedulableRequest& request,
              const std::vector<RequestRows>& parts) {
  Response response;
  maker.make(request, parts, &response);
  return response;
}

schema::SchedulableRequest request_of(std::vector<int32_t> ids) {
  schema::SchedulableRequest request;
  request.ids = std::move(ids);
  return request;
}

TEST(TokenAnswers, OnlyTheRowsThatAreKept) {
  schema::SchedulableRequest request = request_of({1, 2, 3});
  const std::vector<float> rows = {1, 2, 3, 4, 5, 6};
  const Response all = made(TokenAnswers(), request, {{rows, 2}});
  EXPECT_EQ(all.rows, 3);
  EXPECT_EQ(all.values, rows);
  request.kept = {1, 0, 1};
  const Response kept = made(TokenAnswers(), request, {{rows, 2}});
  EXPECT_EQ(kept.rows, 2);
  EXPECT_THAT(kept.values, ElementsAre(1, 2, 5, 6));
}

TEST(VocabularyAnswers, LogarithmsOfThePositive) {
  const std::vector<float> logits = {-1, 0, 1, 3, -0.5f};
  const Response once = made(VocabularyAnswers(1), request_of({1}), {{logits, 5}});
  EXPECT_THAT(once.sparse.indices, ElementsAre(2, 3));
  EXPECT_THAT(once.sparse.values, ElementsAre(std::log1p(1.0f), std::log1p(3.0f)));
  const Response twice = made(VocabularyAnswers(2), request_of({1}), {{logits, 5}});
  EXPECT_THAT(twice.sparse.values,
              ElementsAre(std::log1p(std::log1p(1.0f)), std::log1p(std::log1p(3.0f))));
}

TEST(TokenWeightAnswers, TheLargestOfEachIdWithoutTheDropped) {
  const schema::SchedulableRequest request = request_of({0, 7, 5, 7, 9, 2});
  const std::vector<float> weights = {8, 0.25f, 0.5f, 0.75f, 0, 8};
  const Response response = made(TokenWeightAnswers({2, 0}), request, {{weights, 1}});
  EXPECT_THAT(response.sparse.indices, ElementsAre(5, 7));
  EXPECT_THAT(response.sparse.values, ElementsAre(0.5f, 0.75f));
}

TEST(HybridAnswers, ThreePartsOfOneAnswer) {
  schema::SchedulableRequest request = request_of({0, 4});
  request.kept = {0, 1};
  request.output.normalize = true;
  const std::vector<float> dense = {3, 4}, weights = {1, 2}, vectors = {1, 2, 3, 4, 5, 6};
  const Response response =
      made(HybridAnswers({0}), request, {{dense, 2}, {weights, 1}, {vectors, 3}});
  EXPECT_THAT(response.values, ElementsAre(0.6f, 0.8f));
  EXPECT_THAT(response.sparse.indices, ElementsAre(4));
  EXPECT_EQ(response.token_vectors.rows, 1);
  EXPECT_EQ(response.token_vectors.columns, 3);
  EXPECT_THAT(response.token_vectors.values, ElementsAre(4, 5, 6));
}

TEST(Scores, SigmoidAndSoftmaxOfLargeLogitsAreFinite) {
  const std::vector<float> logits = {-1e30f, 0, 1e30f};
  EXPECT_THAT(scores(logits, ScoreFunction::kSigmoid), ElementsAre(0, 0.5f, 1));
  EXPECT_THAT(scores(logits, ScoreFunction::kSoftmax), ElementsAre(0, 0, 1));
  EXPECT_EQ(scores(logits, ScoreFunction::kIdentity), logits);
  const std::vector<float> equal = scores(std::vector<float>{5, 5}, ScoreFunction::kSoftmax);
  EXPECT_THAT(equal, ElementsAre(0.5f, 0.5f));
}

TEST(ClassifyAnswers, TheBestFirstAndTiesInTheModelsOrder) {
  const ClassifyAnswers maker({"a", "b", "c", "d"}, ScoreFunction::kSigmoid);
  const std::vector<float> logits = {0, 2, 0, 2};
  schema::SchedulableRequest request = request_of({1});
  std::string order;
  for (const LabelScore& label : made(maker, request, {{logits, 4}}).labels) order += label.label;
  EXPECT_EQ(order, "bdac");
  request.output.raw_scores = true;
  EXPECT_EQ(made(maker, request, {{logits, 4}}).labels.front().score, 2);
}

TEST(RerankAnswers, OneScore) {
  schema::SchedulableRequest request = request_of({1});
  const std::vector<float> logit = {0};
  EXPECT_THAT(made(RerankAnswers(ScoreFunction::kSigmoid), request, {{logit, 1}}).values,
              ElementsAre(0.5f));
  request.output.raw_scores = true;
  EXPECT_THAT(made(RerankAnswers(ScoreFunction::kSigmoid), request, {{logit, 1}}).values,
              ElementsAre(0));
}

// "Zoë Ann" as [CLS] Zo ##ë Ann [SEP], of three labels.
class Spans : public testing::Test {
 protected:
  Spans() {
    request.ids = {1, 2, 3, 4, 5};
    request.text = "Zoë Ann";
    request.text_tokens = {{.special = true},
                           {.begin = 0, .end = 2},
                           {.begin = 2, .end = 3, .continues_word = true},
                           {.begin = 4, .end = 7},
                           {.special = true}};
  }
  std::vector<LabelledSpan> spans(Aggregation aggregation) {
    request.output.aggregation = aggregation;
    return made(SpanAnswers({"O", "B-PER", "I-PER"}), request, {{logits, 3}}).spans;
  }

  schema::SchedulableRequest request;
  // Zo is a B-PER, ë an O but nearly an I-PER, Ann an I-PER.
  std::vector<float> logits = {9, 0, 0, 0, 4, 0, 2, 0, 1.5f, 0, 0, 3, 0, 9, 0};
};

TEST_F(Spans, EveryTokenForItself) {
  const auto found = spans(Aggregation::kNone);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].label, "B-PER");
  EXPECT_EQ(found[0].text, "Zo");
  EXPECT_EQ(found[1].label, "I-PER");
  EXPECT_EQ(found[1].text, "Ann");
}

TEST_F(Spans, NeighboursOfOneLabelAreJoined) {
  const auto found = spans(Aggregation::kSimple);
  ASSERT_EQ(found.size(), 2u);  // the O between them parts them
  EXPECT_EQ(found[0].label, "PER");
  EXPECT_EQ(found[1].label, "PER");
}

TEST_F(Spans, WordsTakeTheLabelOfTheirFirstToken) {
  const auto found = spans(Aggregation::kFirst);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].label, "PER");
  EXPECT_EQ(found[0].text, "Zoë Ann");
  EXPECT_EQ(found[0].begin, 0);
  EXPECT_EQ(found[0].end, 7);
}

TEST_F(Spans, WordsTakeTheLabelOfTheirSurestToken) {
  logits[6] = 9;  // now ë is surely an O
  EXPECT_THAT(spans(Aggregation::kMax), testing::SizeIs(1));
  EXPECT_EQ(spans(Aggregation::kMax)[0].text, "Ann");
}

TEST_F(Spans, WordsTakeTheBestOfTheMeans) {
  const auto found = spans(Aggregation::kAverage);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].text, "Zoë Ann");
  EXPECT_LT(found[0].score, spans(Aggregation::kFirst)[0].score);
}

TEST_F(Spans, NothingButOIsNothing) {
  logits = {9, 0, 0, 9, 0, 0, 9, 0, 0, 9, 0, 0, 9, 0, 0};
  for (const Aggregation aggregation :
       {Aggregation::kNone, Aggregation::kSimple, Aggregation::kAverage}) {
    EXPECT_THAT(spans(aggregation), IsEmpty());
  }
}

}  // namespace
}  // namespace wde::pipeline
