#include "pipeline/request_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wde::pipeline {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

// A tokenizer of whole words; `post_processor` is a member of its tokenizer.json, or empty.
std::shared_ptr<const tokenizer::Tokenizer> make_tokenizer(const std::string& post_processor) {
  return tokenizer::load_tokenizer_json(
             R"({"version": "1.0", "pre_tokenizer": {"type": "BertPreTokenizer"},)" +
             post_processor + R"("model": {"type": "WordPiece", "unk_token": "[UNK]",
               "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
               "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "b": 4, "c": 5, "d": 6,
                         "query": 7, ":": 8, "é": 9}}})")
      .value();
}

constexpr const char* kBertProcessing =
    R"("post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},)";
constexpr int kVocabSize = 10;

class RequestProcessorTest : public testing::Test {
 protected:
  Result<schema::SchedulableRequest> process(const Request& request) const {
    auto processed = process_all(request);
    if (!processed.ok()) return processed.status();
    EXPECT_EQ(processed->size(), 1u);
    return processed->front();
  }
  Result<std::vector<schema::SchedulableRequest>> process_all(const Request& request) const {
    return RequestProcessor(tokenizer, limits, prompts).process(request, {});
  }
  // The ids of an averaged text's parts.
  std::vector<std::vector<int32_t>> parts_of(Request request) const {
    request.over_long = OverLong::kAverage;
    const auto processed = process_all(request);
    EXPECT_TRUE(processed.ok()) << processed.status().message();
    std::vector<std::vector<int32_t>> parts;
    for (const auto& part : *processed) parts.push_back(part.ids);
    return parts;
  }
  std::vector<int32_t> ids_of(const Request& request) const { return process(request)->ids; }
  void expect_refused(const Request& request, const testing::Matcher<std::string>& message) const {
    const Status status = process(request).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.message();
    EXPECT_THAT(status.message(), message);
  }

  std::shared_ptr<const tokenizer::Tokenizer> tokenizer = make_tokenizer(kBertProcessing);
  TextLimits limits{.max_length = 16, .vocab_size = kVocabSize};
  PromptPolicy prompts{.prompts = {{"none", ""}, {"query", "query: "}}, .default_prompt = {}};
};

using RequestProcessorTruncates = RequestProcessorTest;
using RequestProcessorAverages = RequestProcessorTest;
using RequestProcessorPrompts = RequestProcessorTest;
using RequestProcessorIds = RequestProcessorTest;

TEST_F(RequestProcessorTest, FillsWhatTheBatchNeeds) {
  const auto out = process({.input = "a é b"});
  EXPECT_THAT(out->ids, ElementsAre(1, 3, 9, 4, 2));
  EXPECT_THAT(out->type_ids, ElementsAre(0, 0, 0, 0, 0));
  EXPECT_EQ(out->pooling_skip, 0);
  EXPECT_EQ(out->characters, 5);  // code points, not bytes
  EXPECT_FALSE(out->truncated);
}

TEST_F(RequestProcessorTest, AnEmptyTextIsItsSpecialTokens) {
  EXPECT_THAT(ids_of({.input = ""}), ElementsAre(1, 2));
}

TEST_F(RequestProcessorTest, TextsArePaddedWhereTheModelWantsIt) {
  limits.padded_length = 6;
  limits.padding_id = 8;
  limits.max_length = 4;
  EXPECT_THAT(ids_of({.input = "a b"}), ElementsAre(1, 3, 4, 2, 8, 8));
  EXPECT_THAT(ids_of({.input = "a b c d"}), ElementsAre(1, 3, 4, 2, 8, 8));
  EXPECT_THAT(ids_of({.input = std::vector<int32_t>{3}}), ElementsAre(3, 8, 8, 8, 8, 8));
  EXPECT_THAT(process({.input = "a"})->type_ids, ElementsAre(0, 0, 0, 0, 0, 0));
}

TEST_F(RequestProcessorTest, APairHasTwoTypesAndCountsBothTexts) {
  const auto out = process({.input = TextPair{"a", "b é"}});
  EXPECT_THAT(out->ids, ElementsAre(1, 3, 2, 4, 9, 2));
  EXPECT_THAT(out->type_ids, ElementsAre(0, 0, 0, 1, 1, 1));
  EXPECT_EQ(out->characters, 4);
}

TEST_F(RequestProcessorTest, NoTokensAtAllAreRefused) {
  tokenizer = make_tokenizer("");
  expect_refused({.input = ""}, HasSubstr("no tokens"));
  EXPECT_THAT(ids_of({.input = "a"}), ElementsAre(3));
}

TEST_F(RequestProcessorTest, ATokenWithoutARowInTheModelsTableIsRefused) {
  limits.vocab_size = 6;
  EXPECT_THAT(ids_of({.input = "c"}), ElementsAre(1, 5, 2));
  expect_refused({.input = "d"}, AllOf(HasSubstr("id 6"), HasSubstr("6 rows")));
}

TEST_F(RequestProcessorTruncates, AtTheModelsSideUnlessTheRequestNamesOne) {
  limits.max_length = 4;
  EXPECT_THAT(ids_of({.input = "a b c d"}), ElementsAre(1, 3, 4, 2));
  EXPECT_THAT(ids_of({.input = "a b c d", .truncation_side = TruncationSide::kLeft}),
              ElementsAre(1, 5, 6, 2));
  limits.truncation_side = TruncationSide::kLeft;
  EXPECT_THAT(ids_of({.input = "a b c d"}), ElementsAre(1, 5, 6, 2));
  EXPECT_THAT(ids_of({.input = "a b c d", .truncation_side = TruncationSide::kRight}),
              ElementsAre(1, 3, 4, 2));
}

TEST_F(RequestProcessorTruncates, AndSaysSo) {
  limits.max_length = 4;
  const auto cut = process({.input = "a b c"});
  EXPECT_TRUE(cut->truncated);
  EXPECT_EQ(cut->characters, 5);  // of the whole input
  EXPECT_FALSE(process({.input = "a b"})->truncated);
}

TEST_F(RequestProcessorTruncates, TheLongerTextOfAPair) {
  limits.max_length = 6;
  EXPECT_THAT(ids_of({.input = TextPair{"a", "b c d"}}), ElementsAre(1, 3, 2, 4, 5, 2));
}

TEST_F(RequestProcessorTruncates, OrRefusesWithTheLimit) {
  limits.max_length = 4;
  const Request over{.input = "a b c", .over_long = OverLong::kError};
  expect_refused(over, AllOf(HasSubstr("has 5 tokens"), HasSubstr("limit of 4")));
  EXPECT_TRUE(process({.input = "a b", .over_long = OverLong::kError}).ok());
  limits.over_long = OverLong::kError;
  expect_refused({.input = "a b c"}, HasSubstr("limit of 4"));
  expect_refused({.input = std::vector<int32_t>{3, 4, 5, 6, 7}}, HasSubstr("limit of 4"));
  EXPECT_TRUE(process({.input = "a b c", .over_long = OverLong::kTruncate}).ok());
}

TEST_F(RequestProcessorTruncates, ButNotTheSpecialTokensAway) {
  limits.max_length = 1;
  expect_refused({.input = "a"}, HasSubstr("special tokens"));
}

using Parts = std::vector<std::vector<int32_t>>;

TEST_F(RequestProcessorAverages, PartsOfNearlyOneLengthWithSpecialTokensAroundEach) {
  limits.max_length = 5;  // three of the text's own
  EXPECT_EQ(parts_of({.input = "a b c"}), (Parts{{1, 3, 4, 5, 2}}));
  EXPECT_EQ(parts_of({.input = "a b c d"}), (Parts{{1, 3, 4, 2}, {1, 5, 6, 2}}));
  EXPECT_EQ(parts_of({.input = "a b c d a"}), (Parts{{1, 3, 4, 5, 2}, {1, 6, 3, 2}}));
  EXPECT_EQ(parts_of({.input = "a b c d a b c"}),
            (Parts{{1, 3, 4, 5, 2}, {1, 6, 3, 2}, {1, 4, 5, 2}}));
}

TEST_F(RequestProcessorAverages, PartsShareOneAverageAndSayWhatTheyAreOf) {
  limits.max_length = 5;
  limits.over_long = OverLong::kAverage;
  const auto parts = process_all({.input = "a b c é a"});
  ASSERT_EQ(parts->size(), 2u);
  ASSERT_NE(parts->front().averaging, nullptr);
  EXPECT_EQ(parts->front().averaging->parts(), 2u);
  for (size_t i = 0; i < parts->size(); ++i) {
    EXPECT_EQ((*parts)[i].averaging, parts->front().averaging);
    EXPECT_EQ((*parts)[i].part, i);
    EXPECT_EQ((*parts)[i].characters, 9);  // of the whole input
    EXPECT_FALSE((*parts)[i].truncated);
  }
  EXPECT_EQ(process({.input = "a b c"})->averaging, nullptr);
  EXPECT_TRUE(process({.input = "a b c d", .over_long = OverLong::kTruncate})->truncated);
}

TEST_F(RequestProcessorAverages, APartWeighsAsManyAsItHasTokensOfTheText) {
  limits.max_length = 6;
  const auto parts = process_all(
      {.input = "a b c d a b", .prompt_name = "query", .over_long = OverLong::kAverage});
  ASSERT_EQ(parts->size(), 3u);
  limits.max_length = 7;
  const auto uneven =
      process_all({.input = "a b c d", .prompt_name = "query", .over_long = OverLong::kAverage});
  ASSERT_EQ(uneven->size(), 2u);
  schema::Averaging& averaging = *uneven->front().averaging;
  averaging.add(0, std::vector<float>{1}, 7, {});
  averaging.add(1, std::vector<float>{5}, 5, {});
  EXPECT_EQ(averaging.mean(), std::vector<float>{3});
  EXPECT_EQ(averaging.tokens(), 12);
}

TEST_F(RequestProcessorAverages, ThePromptStandsBeforeEveryPart) {
  limits.max_length = 6;
  const Request request{.input = "a b c d", .prompt_name = "query"};
  EXPECT_EQ(parts_of(request), (Parts{{1, 7, 8, 3, 4, 2}, {1, 7, 8, 5, 6, 2}}));
  prompts.pool_prompt = false;
  const auto parts =
      process_all({.input = "a b c d", .prompt_name = "query", .over_long = OverLong::kAverage});
  for (const auto& part : *parts) EXPECT_EQ(part.pooling_skip, 3);
}

TEST_F(RequestProcessorAverages, WhichSideIsCutDoesNotMatter) {
  limits.max_length = 4;
  EXPECT_EQ(parts_of({.input = "a b c d", .truncation_side = TruncationSide::kLeft}),
            (Parts{{1, 3, 4, 2}, {1, 5, 6, 2}}));
}

TEST_F(RequestProcessorAverages, NothingIsAddedToTokenIds) {
  limits.max_length = 2;
  EXPECT_EQ(parts_of({.input = std::vector<int32_t>{1, 3, 4, 5, 2}}), (Parts{{1, 3}, {4, 5}, {2}}));
}

TEST_F(RequestProcessorAverages, EveryPartIsPaddedWhereTheModelWantsIt) {
  limits = {.max_length = 4, .vocab_size = kVocabSize, .padded_length = 5, .padding_id = 8};
  EXPECT_EQ(parts_of({.input = "a b c"}), (Parts{{1, 3, 4, 2, 8}, {1, 5, 2, 8, 8}}));
}

TEST_F(RequestProcessorAverages, WhatCannotBeIsNamed) {
  limits.max_length = 4;
  limits.over_long = OverLong::kAverage;
  expect_refused({.input = TextPair{"a b", "c d"}}, HasSubstr("pair"));
  expect_refused({.input = "a", .prompt_name = "query"},
                 AllOf(HasSubstr("prompt of 2 tokens"), HasSubstr("limit of 4")));
  expect_refused({.input = std::vector<int32_t>{3, 4, 5, 6, 99}}, HasSubstr("99"));
}

TEST_F(RequestProcessorPrompts, AreChosenByNameElseByDefault) {
  EXPECT_THAT(ids_of({.input = "a"}), ElementsAre(1, 3, 2));
  EXPECT_THAT(ids_of({.input = "a", .prompt_name = "query"}), ElementsAre(1, 7, 8, 3, 2));
  prompts.default_prompt = "b ";
  EXPECT_THAT(ids_of({.input = "a"}), ElementsAre(1, 4, 3, 2));
  EXPECT_THAT(ids_of({.input = "a", .prompt_name = "query"}), ElementsAre(1, 7, 8, 3, 2));
  EXPECT_THAT(ids_of({.input = "a", .prompt_name = "none"}), ElementsAre(1, 3, 2));
}

TEST_F(RequestProcessorPrompts, StandBeforeAPairsFirstTextAndAreNotCounted) {
  const auto out = process({.input = TextPair{"a", "b"}, .prompt_name = "query"});
  EXPECT_THAT(out->ids, ElementsAre(1, 7, 8, 3, 2, 4, 2));
  EXPECT_EQ(out->characters, 2);
}

TEST_F(RequestProcessorPrompts, AreLeftOutOfThePoolingWhereTheModelSaysSo) {
  EXPECT_EQ(process({.input = "a", .prompt_name = "query"})->pooling_skip, 0);
  prompts.pool_prompt = false;
  EXPECT_EQ(process({.input = "a", .prompt_name = "query"})->pooling_skip, 3);  // [CLS] query :
  EXPECT_EQ(process({.input = "a", .prompt_name = "none"})->pooling_skip, 0);
  EXPECT_EQ(process({.input = "a"})->pooling_skip, 0);
  prompts.default_prompt = "b ";
  EXPECT_EQ(process({.input = "a"})->pooling_skip, 2);
}

TEST_F(RequestProcessorPrompts, LeaveATokenToPoolHoweverShortTheLimit) {
  prompts.pool_prompt = false;
  limits.max_length = 3;
  const auto out = process({.input = "a", .prompt_name = "query"});
  EXPECT_THAT(out->ids, ElementsAre(1, 7, 2));
  EXPECT_EQ(out->pooling_skip, 2);
}

TEST_F(RequestProcessorPrompts, DoNotStandBeforeTokenIds) {
  prompts.default_prompt = "query: ";
  prompts.pool_prompt = false;
  const auto out = process({.input = std::vector<int32_t>{3, 4}});
  EXPECT_THAT(out->ids, ElementsAre(3, 4));
  EXPECT_EQ(out->pooling_skip, 0);
}

TEST_F(RequestProcessorIds, AreTakenAsTheyAreAndTruncated) {
  limits.max_length = 4;
  const std::vector<int32_t> ids = {1, 3, 4, 5, 2};
  const auto out = process({.input = ids});
  EXPECT_THAT(out->ids, ElementsAre(1, 3, 4, 5));
  EXPECT_THAT(out->type_ids, AllOf(testing::SizeIs(4), Each(0)));
  EXPECT_TRUE(out->truncated);
  EXPECT_EQ(out->characters, 0);
  EXPECT_THAT(ids_of({.input = ids, .truncation_side = TruncationSide::kLeft}),
              ElementsAre(3, 4, 5, 2));
  EXPECT_THAT(ids_of({.input = std::vector<int32_t>{3}}), ElementsAre(3));
}

TEST_F(RequestProcessorIds, TypesThatTheModelDoesNotKnowAreRefused) {
  limits.type_vocab_size = 1;
  EXPECT_TRUE(process({.input = "a"}).ok());
  expect_refused({.input = TextPair{"a", "b"}}, HasSubstr("token type 1"));
}

TEST_F(RequestProcessorIds, OutsideTheVocabularyAreNamed) {
  for (const int32_t id :
       {-1, kVocabSize, std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min()}) {
    expect_refused({.input = std::vector<int32_t>{3, id}}, HasSubstr(std::to_string(id)));
  }
}

TEST_F(RequestProcessorIds, OutsideTheModelsTableAreNamedWithItsRows) {
  limits.vocab_size = 6;
  expect_refused({.input = std::vector<int32_t>{3, 6}},
                 AllOf(HasSubstr("id 6"), HasSubstr("6 rows")));
}

}  // namespace
}  // namespace wde::pipeline
