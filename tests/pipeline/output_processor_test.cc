#include "pipeline/output_processor.h"

#include <gtest/gtest.h>

#include "base/status.h"
#include "pipeline/vector_answers.h"

namespace wde::pipeline {
namespace {

struct Answered {
  std::vector<Result<Response>> results;
  int calls = 0;
};

schema::SchedulableRequest make_request(Answered* answered, Task task, int tokens,
                                        schema::OutputSpec spec) {
  schema::SchedulableRequest request;
  request.ticket = std::make_shared<schema::Ticket>(0, [answered](Result<Response> result) {
    ++answered->calls;
    answered->results.push_back(std::move(result));
  });
  request.task = task;
  request.ids.assign(static_cast<size_t>(tokens), 1);
  request.output = spec;
  return request;
}

OutputProcessor make_processor() {
  return OutputProcessor({{Task::kEmbed, std::make_shared<EmbeddingAnswers>()},
                          {Task::kHidden, std::make_shared<TokenAnswers>()}});
}

// The batch's rows are one head's.
void answer(schema::Batch* batch, std::span<const float> values, int64_t columns) {
  const bool per_token = batch->requests.front().task == Task::kHidden;
  make_processor().answer(
      batch,
      {.parts = {{.values = values, .columns = columns, .per_token = per_token}}, .status = {}});
}

TEST(OutputProcessor, CutsThenNormalizes) {
  Answered answered;
  schema::Batch batch;
  batch.requests.push_back(
      make_request(&answered, Task::kEmbed, 2, {.normalize = true, .dimensions = 2}));
  batch.requests.push_back(
      make_request(&answered, Task::kEmbed, 1, {.normalize = false, .dimensions = 0}));
  const std::vector<float> values = {3, 4, 100, 1, 2, 3};
  answer(&batch, values, 3);
  ASSERT_EQ(answered.calls, 2);
  EXPECT_EQ(answered.results[0]->values, (std::vector<float>{0.6f, 0.8f}));
  EXPECT_EQ(answered.results[1]->values, (std::vector<float>{1, 2, 3}));
}

TEST(OutputProcessor, AVectorOfZerosStaysFinite) {
  Answered answered;
  schema::Batch batch;
  batch.requests.push_back(make_request(&answered, Task::kEmbed, 1, {.normalize = true}));
  const std::vector<float> values = {0, 0};
  answer(&batch, values, 2);
  EXPECT_EQ(answered.results[0]->values, (std::vector<float>{0, 0}));
}

TEST(OutputProcessor, HiddenStatesAreSplitByTokens) {
  Answered answered;
  schema::Batch batch;
  batch.requests.push_back(make_request(&answered, Task::kHidden, 2, {}));
  batch.requests.push_back(make_request(&answered, Task::kHidden, 1, {}));
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  answer(&batch, values, 2);
  EXPECT_EQ(answered.results[0]->rows, 2);
  EXPECT_EQ(answered.results[1]->values, (std::vector<float>{5, 6}));
}

TEST(OutputProcessor, HiddenStatesAreNeitherCutNorNormalized) {
  Answered answered;
  schema::Batch batch;
  batch.requests.push_back(
      make_request(&answered, Task::kHidden, 2, {.normalize = true, .dimensions = 1}));
  const std::vector<float> values = {3, 4, 5, 6};
  answer(&batch, values, 2);
  EXPECT_EQ(answered.results[0]->columns, 2);
  EXPECT_EQ(answered.results[0]->values, values);
}

// torch.nn.functional.normalize divides by at least 1e-12, and a square must not overflow.
TEST(OutputProcessor, NormalizesTheTinyAndTheHuge) {
  Answered answered;
  schema::Batch batch;
  for (int i = 0; i < 2; ++i) {
    batch.requests.push_back(make_request(&answered, Task::kEmbed, 1, {.normalize = true}));
  }
  const std::vector<float> values = {3e-14f, 4e-14f, 3e30f, 4e30f};
  answer(&batch, values, 2);
  EXPECT_FLOAT_EQ(answered.results[0]->values[0], 0.03f);
  EXPECT_FLOAT_EQ(answered.results[0]->values[1], 0.04f);
  EXPECT_FLOAT_EQ(answered.results[1]->values[0], 0.6f);
  EXPECT_FLOAT_EQ(answered.results[1]->values[1], 0.8f);
}

TEST(OutputProcessor, AnAnswerTellsWhatBecameOfItsRequest) {
  Answered answered;
  schema::Batch batch;
  batch.requests.push_back(make_request(&answered, Task::kEmbed, 7, {.dimensions = 2}));
  schema::SchedulableRequest& request = batch.requests.front();
  request.characters = 30;
  request.truncated = true;
  request.timestamps.arrival = Clock::time_point(std::chrono::seconds(1));
  request.timestamps.end = Clock::time_point(std::chrono::seconds(2));
  const std::vector<float> values = {1, 2, 3};
  answer(&batch, values, 3);
  const Response& response = *answered.results[0];
  EXPECT_EQ(response.task, Task::kEmbed);
  EXPECT_EQ(response.rows, 1);
  EXPECT_EQ(response.columns, 2);
  EXPECT_EQ(response.tokens, 7);
  EXPECT_EQ(response.characters, 30);
  EXPECT_TRUE(response.truncated);
  EXPECT_EQ(response.timestamps.arrival, Clock::time_point(std::chrono::seconds(1)));
  EXPECT_EQ(response.timestamps.end, Clock::time_point(std::chrono::seconds(2)));
}

// A text in parts of these tokens and own tokens; all share the first one's ticket.
std::vector<schema::SchedulableRequest> make_parts(Answered* answered,
                                                   const std::vector<int64_t>& own_tokens,
                                                   schema::OutputSpec spec) {
  std::vector<schema::SchedulableRequest> parts(own_tokens.size(),
                                                make_request(answered, Task::kEmbed, 0, spec));
  const auto averaging = std::make_shared<schema::Averaging>(own_tokens);
  for (size_t i = 0; i < parts.size(); ++i) {
    parts[i].ids.assign(static_cast<size_t>(own_tokens[i]) + 2, 1);
    parts[i].averaging = averaging;
    parts[i].part = i;
    parts[i].timestamps.scheduled = Clock::time_point(std::chrono::seconds(10 + i));
    parts[i].timestamps.end = Clock::time_point(std::chrono::seconds(20 + i));
  }
  return parts;
}

TEST(OutputProcessor, PartsAreAnsweredOnceByTheirWeightedMeanCutThenNormalized) {
  Answered answered;
  auto parts = make_parts(&answered, {3, 1}, {.normalize = true, .dimensions = 2});
  schema::Batch last, first;
  last.requests = {parts[1]};
  first.requests = {make_request(&answered, Task::kEmbed, 1, {.dimensions = 3}), parts[0]};
  answer(&last, std::vector<float>{0, 16, 7}, 3);
  EXPECT_EQ(answered.calls, 0);
  answer(&first, std::vector<float>{1, 2, 3, 4, 0, 9}, 3);
  ASSERT_EQ(answered.calls, 2);
  EXPECT_EQ(answered.results[0]->values, (std::vector<float>{1, 2, 3}));
  const Response& mean = *answered.results[1];
  EXPECT_EQ(mean.values, (std::vector<float>{0.6f, 0.8f}));  // of (3, 4)
  EXPECT_EQ(mean.parts, 2);
  EXPECT_EQ(mean.tokens, 5 + 3);
  EXPECT_FALSE(mean.truncated);
  EXPECT_EQ(mean.timestamps.scheduled, Clock::time_point(std::chrono::seconds(10)));
  EXPECT_EQ(mean.timestamps.end, Clock::time_point(std::chrono::seconds(21)));
}

// 1e8 swallows what is added to it one at a time: the order of the sum shows.
TEST(OutputProcessor, AMeanHasTheSameBitsWhicheverPartIsFirst) {
  const std::vector<std::vector<float>> rows = {{1e8f}, {0.1f}, {-1e8f}, {0.3f}};
  std::vector<std::vector<float>> means;
  for (const std::vector<size_t>& order :
       {std::vector<size_t>{0, 1, 2, 3}, std::vector<size_t>{3, 2, 0, 1}}) {
    Answered answered;
    const auto parts = make_parts(&answered, {1, 1, 1, 1}, {});
    for (const size_t i : order) {
      schema::Batch batch;
      batch.requests = {parts[i]};
      answer(&batch, rows[i], 1);
    }
    ASSERT_EQ(answered.calls, 1);
    means.push_back(answered.results[0]->values);
  }
  EXPECT_EQ(means[0], means[1]);
}

TEST(OutputProcessor, AFailedPartFailsItsTextOnce) {
  Answered answered;
  const auto parts = make_parts(&answered, {1, 1}, {});
  schema::Batch failing, other;
  failing.requests = {parts[0]};
  other.requests = {parts[1]};
  make_processor().answer(&failing, {.parts = {}, .status = device_error("copy failed")});
  answer(&other, std::vector<float>{1}, 1);
  ASSERT_EQ(answered.calls, 1);
  EXPECT_EQ(answered.results[0].status().code(), StatusCode::kDeviceError);
  EXPECT_TRUE(parts[1].ticket->abandoned());
}

TEST(OutputProcessor, AFailedBatchFailsEveryRequestOnce) {
  Answered answered;
  schema::Batch batch;
  for (int i = 0; i < 3; ++i)
    batch.requests.push_back(make_request(&answered, Task::kEmbed, 1, {}));
  make_processor().answer(&batch, {.parts = {}, .status = device_error("copy failed")});
  ASSERT_EQ(answered.calls, 3);
  for (const auto& result : answered.results)
    EXPECT_EQ(result.status().code(), StatusCode::kDeviceError);
}

}  // namespace
}  // namespace wde::pipeline
