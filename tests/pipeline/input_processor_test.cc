#include "pipeline/input_processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wde::pipeline {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::vector<int32_t> kIds = {5, 6};

InputProcessor make_processor(PromptPolicy prompts = {}) {
  return InputProcessor(
      {.tasks = {Task::kEmbed, Task::kHidden}, .embedding_size = 24, .normalize = true},
      std::move(prompts));
}

PromptPolicy two_prompts() {
  return {.prompts = {{"document", ""}, {"query", "query: "}}, .default_prompt = {}};
}

void expect_refused(const Status& status, StatusCode code, const testing::Matcher<std::string>& m) {
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_THAT(status.message(), m);
}

TEST(InputProcessor, TakesEveryKindOfInput) {
  const InputProcessor processor = make_processor();
  EXPECT_TRUE(processor.check({.input = "a text"}).ok());
  EXPECT_TRUE(processor.check({.input = TextPair{"a", "b"}}).ok());
  EXPECT_TRUE(processor.check({.input = kIds}).ok());
  EXPECT_TRUE(processor.check({.task = Task::kHidden, .input = "a text"}).ok());
}

TEST(InputProcessor, ATaskThatIsNotServedIsNamedWithThoseThatAre) {
  const InputProcessor embeds({.tasks = {Task::kEmbed}, .embedding_size = 24}, {});
  expect_refused(embeds.check({.task = Task::kHidden, .input = "a"}), StatusCode::kUnsupported,
                 AllOf(HasSubstr(std::string(task_name(Task::kHidden))), HasSubstr("embed")));
}

TEST(InputProcessor, NoTokenIdsAreAnEmptyInputButAnEmptyTextIsNot) {
  const InputProcessor processor = make_processor();
  expect_refused(processor.check({.input = std::vector<int32_t>{}}), StatusCode::kEmptyInput,
                 HasSubstr("token ids"));
  EXPECT_TRUE(processor.check({.input = ""}).ok());
  EXPECT_TRUE(processor.check({.input = TextPair{}}).ok());
}

TEST(InputProcessor, OnlyEmbeddingsAreAveraged) {
  const InputProcessor asked = make_processor();
  const InputProcessor by_default({.tasks = {Task::kEmbed, Task::kHidden}}, {}, {},
                                  OverLong::kAverage);
  EXPECT_TRUE(asked.check({.input = "a", .over_long = OverLong::kAverage}).ok());
  expect_refused(
      asked.check({.task = Task::kHidden, .input = "a", .over_long = OverLong::kAverage}),
      StatusCode::kInvalidArgument, AllOf(HasSubstr("averaged"), HasSubstr("hidden")));
  EXPECT_TRUE(by_default.check({.input = "a"}).ok());
  expect_refused(by_default.check({.task = Task::kHidden, .input = "a"}),
                 StatusCode::kInvalidArgument, HasSubstr("hidden"));
  EXPECT_TRUE(
      by_default.check({.task = Task::kHidden, .input = "a", .over_long = OverLong::kTruncate})
          .ok());
}

TEST(InputProcessor, AggregationIsRefusedWhereNoTokensAreJoined) {
  const auto check = [](bool joins_tokens) {
    return InputProcessor({.tasks = {Task::kClassifyTokens}, .joins_tokens = joins_tokens}, {})
        .check({.task = Task::kClassifyTokens, .input = "a", .aggregation = Aggregation::kFirst});
  };
  EXPECT_TRUE(check(true).ok());
  expect_refused(check(false), StatusCode::kInvalidArgument, HasSubstr("\"aggregation\""));
}

TEST(InputProcessor, DimensionsLieWithinTheEmbedding) {
  const InputProcessor processor = make_processor();
  for (const int dimensions : {1, 24}) {
    EXPECT_TRUE(processor.check({.input = "a", .dimensions = dimensions}).ok()) << dimensions;
  }
  for (const int dimensions : {-1, 0, 25}) {
    expect_refused(processor.check({.input = "a", .dimensions = dimensions}),
                   StatusCode::kInvalidArgument,
                   AllOf(HasSubstr("\"dimensions\""), HasSubstr("between 1 and 24"),
                         HasSubstr(std::to_string(dimensions))));
  }
}

TEST(InputProcessor, DimensionsGoWithEmbeddingsOnly) {
  expect_refused(make_processor().check({.task = Task::kHidden, .input = "a", .dimensions = 8}),
                 StatusCode::kInvalidArgument, HasSubstr("\"dimensions\""));
}

TEST(InputProcessor, AnUnknownPromptNameIsToldTheKnownOnes) {
  const InputProcessor processor = make_processor(two_prompts());
  EXPECT_TRUE(processor.check({.input = "a", .prompt_name = "query"}).ok());
  EXPECT_TRUE(processor.check({.input = TextPair{"a", "b"}, .prompt_name = "document"}).ok());
  expect_refused(processor.check({.input = "a", .prompt_name = "passage"}),
                 StatusCode::kInvalidArgument,
                 AllOf(HasSubstr("\"passage\""), HasSubstr("document, query")));
  expect_refused(make_processor().check({.input = "a", .prompt_name = "query"}),
                 StatusCode::kInvalidArgument, HasSubstr("none"));
}

TEST(InputProcessor, APromptNameBesideTokenIdsIsRefused) {
  expect_refused(make_processor(two_prompts()).check({.input = kIds, .prompt_name = "query"}),
                 StatusCode::kInvalidArgument,
                 AllOf(HasSubstr("\"prompt_name\""), HasSubstr("token ids")));
}

TEST(InputProcessor, AnAdapterIsOneOfTheModelsOrNone) {
  const InputProcessor processor({.tasks = {Task::kEmbed}, .embedding_size = 24}, {},
                                 {.names = {"query", "passage"}, .fallback = 1});
  EXPECT_EQ(processor.adapter({.input = "a"}), 1);
  EXPECT_EQ(processor.adapter({.input = "a", .adapter = "query"}), 0);
  EXPECT_EQ(processor.adapter({.input = "a", .adapter = ""}), -1);
  expect_refused(processor.check({.input = "a", .adapter = "pasage"}), StatusCode::kInvalidArgument,
                 AllOf(HasSubstr("pasage"), HasSubstr("query, passage")));
  expect_refused(make_processor().check({.input = "a", .adapter = "query"}),
                 StatusCode::kInvalidArgument, HasSubstr("none"));
}

TEST(InputProcessor, WhatTheRequestLeavesOpenIsAsTheModelSays) {
  const InputProcessor processor = make_processor();
  const schema::OutputSpec open = processor.output_spec({.input = "a"});
  EXPECT_TRUE(open.normalize);
  EXPECT_EQ(open.dimensions, 24);  // all of the model's
  const schema::OutputSpec asked =
      processor.output_spec({.input = "a", .normalize = false, .dimensions = 8});
  EXPECT_FALSE(asked.normalize);
  EXPECT_EQ(asked.dimensions, 8);
}

}  // namespace
}  // namespace wde::pipeline
