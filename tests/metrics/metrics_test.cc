#include "metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace wde::metrics {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

// The value of a series in an exposition, as it is written; "absent" when it is not there.
std::string series(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + " ")) return line.substr(name.size() + 1);
  }
  return "absent";
}

Timestamps timestamps() {
  const Clock::time_point start = Clock::now();
  return {.arrival = start,
          .tokenized = start + 125ms,
          .scheduled = start + 375ms,
          .begin = start + 500ms,
          .end = start + 1000ms};
}

TEST(Metrics, ScoresAndSpansAreCountedApartFromVectors) {
  Metrics metrics;
  for (const Task task : {Task::kRerank, Task::kClassify, Task::kClassifyTokens}) {
    metrics.request_succeeded(task, timestamps(), 7);
  }
  metrics.request_failed(Task::kClassify, StatusCode::kCancelled);
  for (const Task task :
       {Task::kEmbed, Task::kHidden, Task::kSparse, Task::kMultiVector, Task::kHybrid}) {
    metrics.request_succeeded(task, timestamps(), 7);
  }
  const std::string text = metrics.expose();
  EXPECT_EQ(series(text, "te_predict_count"), "4");
  EXPECT_EQ(series(text, "te_predict_success"), "3");
  EXPECT_EQ(series(text, "te_predict_failure{err=\"cancelled\"}"), "1");
  EXPECT_EQ(series(text, "te_predict_duration_count"), "3");
  EXPECT_EQ(series(text, "te_embed_count"), "5");
  EXPECT_EQ(series(text, "te_request_input_length_count"), "8");
}

TEST(Metrics, StartAtZeroWithEveryName) {
  const std::string text = Metrics().expose();
  for (const char* name :
       {"te_embed_count", "te_embed_success", "te_embed_failure{err=\"device_error\"}",
        "te_embed_duration_count", "te_embed_tokenization_duration_count",
        "te_embed_queue_duration_count", "te_embed_inference_duration_count",
        "te_request_input_length_count", "te_batch_next_size_count", "te_batch_next_tokens_count",
        "te_queue_size"}) {
    EXPECT_EQ(series(text, name), "0") << name;
  }
  EXPECT_THAT(text, HasSubstr("# TYPE te_queue_size gauge\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE te_embed_duration histogram\n"));
  EXPECT_THAT(text, Not(HasSubstr("err=\"ok\"")));
}

TEST(Metrics, ASuccessIsCountedWithItsTimesInSeconds) {
  Metrics metrics;
  metrics.request_succeeded(Task::kEmbed, timestamps(), 37);
  const std::string text = metrics.expose();
  EXPECT_EQ(series(text, "te_embed_count"), "1");
  EXPECT_EQ(series(text, "te_embed_success"), "1");
  EXPECT_EQ(series(text, "te_embed_duration_sum"), "1");
  EXPECT_EQ(series(text, "te_embed_tokenization_duration_sum"), "0.125");
  EXPECT_EQ(series(text, "te_embed_queue_duration_sum"), "0.25");
  EXPECT_EQ(series(text, "te_embed_inference_duration_sum"), "0.625");
  EXPECT_EQ(series(text, "te_request_input_length_bucket{le=\"32\"}"), "0");
  EXPECT_EQ(series(text, "te_request_input_length_bucket{le=\"64\"}"), "1");
  EXPECT_EQ(series(text, "te_request_input_length_bucket{le=\"+Inf\"}"), "1");
}

TEST(Metrics, FailuresAreCountedByCode) {
  Metrics metrics;
  metrics.request_failed(Task::kEmbed, StatusCode::kDeviceError);
  metrics.request_failed(Task::kEmbed, StatusCode::kDeviceError);
  metrics.request_failed(Task::kEmbed, StatusCode::kDeadlineExceeded);
  const std::string text = metrics.expose();
  EXPECT_EQ(series(text, "te_embed_failure{err=\"device_error\"}"), "2");
  EXPECT_EQ(series(text, "te_embed_failure{err=\"deadline_exceeded\"}"), "1");
  EXPECT_EQ(series(text, "te_embed_count"), "3");
  EXPECT_EQ(series(text, "te_embed_success"), "0");
}

TEST(Metrics, BatchesAndTheQueue) {
  Metrics metrics;
  metrics.observe_batch(8, 1000);
  metrics.observe_batch(1, 5);
  metrics.set_queue_size(12);
  metrics.set_queue_size(3);
  const std::string text = metrics.expose();
  EXPECT_EQ(series(text, "te_batch_next_size_sum"), "9");
  EXPECT_EQ(series(text, "te_batch_next_size_bucket{le=\"8\"}"), "2");
  EXPECT_EQ(series(text, "te_batch_next_size_bucket{le=\"4\"}"), "1");
  EXPECT_EQ(series(text, "te_batch_next_tokens_sum"), "1005");
  EXPECT_EQ(series(text, "te_queue_size"), "3");
}

TEST(Metrics, TimesThatRunBackwardsCountAsZero) {
  Metrics metrics;
  Timestamps odd = timestamps();
  odd.end = odd.scheduled - 1s;
  metrics.request_succeeded(Task::kEmbed, odd, 1);
  EXPECT_EQ(series(metrics.expose(), "te_embed_inference_duration_sum"), "0");
}

TEST(Metrics, EveryLineIsACommentOrANumberAndNoFamilyComesTwice) {
  Metrics metrics;
  metrics.request_succeeded(Task::kEmbed, timestamps(), 37);
  std::istringstream lines(metrics.expose());
  std::set<std::string> types;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(types.insert(line).second) << line;
    }
    if (line.starts_with("#")) continue;
    size_t parsed = 0;
    const std::string number = line.substr(line.rfind(' ') + 1);
    EXPECT_NO_THROW((void)std::stod(number, &parsed)) << line;
    EXPECT_EQ(parsed, number.size()) << line;
  }
  EXPECT_EQ(types.size(), 18u);
}

TEST(Metrics, ThreadsCountTogetherWhileOthersRead) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        metrics.request_succeeded(Task::kEmbed, timestamps(), 8);
        metrics.request_failed(Task::kEmbed, StatusCode::kOverloaded);
        metrics.observe_batch(2, 16);
      }
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(metrics.expose().empty());
  for (std::thread& thread : threads) thread.join();
  const std::string text = metrics.expose();
  EXPECT_EQ(series(text, "te_embed_count"), "4000");
  EXPECT_EQ(series(text, "te_embed_failure{err=\"overloaded\"}"), "2000");
  EXPECT_EQ(series(text, "te_batch_next_tokens_sum"), "32000");
}

}  // namespace
}  // namespace wde::metrics
