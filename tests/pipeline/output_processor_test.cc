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
