#include "entrypoints/cli/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "entrypoints/cli_fake_engine.h"
#include "entrypoints/cli_pipe.h"

namespace wde::cli {
namespace {

using test::FakeEngine;
using test::Pipe;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CollectingSink : public Sink {
 public:
  explicit CollectingSink(size_t fail_after = SIZE_MAX) : fail_after_(fail_after) {}
  Status write(Response response) override {
    if (sizes.size() >= fail_after_) return io_error("full");
    sizes.push_back(static_cast<int>(response.values[0]));
    return {};
  }
  Status flush() override { return {}; }
  Status finish() override {
    finished = true;
    return {};
  }
  std::vector<int> sizes;
  bool finished = false;

 private:
  const size_t fail_after_;
};

struct Outcome {
  Status status;
  std::vector<int> sizes;
  StreamTotals totals;
};

Outcome run(const std::string& content, bool jsonl) {
  test::TemporaryFolder folder;
  Console console;
  auto input = InputReader::open({.path = folder.write("in", content), .jsonl = jsonl}, console);
  FakeEngine engine;
  CollectingSink sink;
  Outcome outcome;
  Progress progress(console, false, std::nullopt);
  outcome.status = stream(engine, **input, {}, sink, progress, &outcome.totals);
  EXPECT_TRUE(sink.finished);
  outcome.sizes = sink.sizes;
  return outcome;
}

TEST(Stream, AnswersInTheOrderOfTheLines) {
  std::string content;
  std::vector<int> expected;
  for (int i = 0; i < 2000; ++i) {
    content += std::string(static_cast<size_t>(i % 40), 'x') + "\n";
    expected.push_back(i % 40);
  }
  const Outcome outcome = run(content, false);
  EXPECT_TRUE(outcome.status.ok()) << outcome.status.message();
  EXPECT_EQ(outcome.sizes, expected);
  EXPECT_EQ(outcome.totals.documents, 2000u);
  EXPECT_EQ(outcome.totals.truncated, 2000u / 40 * 23);  // 17 … 39 bytes
}

TEST(Stream, LinesBeforeAMalformedOneAreAnswered) {
  const Outcome outcome = run("\"a\"\n[\"bb\",\"c\"]\nbad\n\"ddd\"\n", true);
  EXPECT_EQ(outcome.status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(outcome.status.message(), HasSubstr("line 3"));
  EXPECT_THAT(outcome.sizes, ElementsAre(1, -2));
}

TEST(Stream, TheFirstFailingLineIsNamedAndNothingFollows) {
  Outcome outcome = run("a\nfail\nccc\n", false);
  EXPECT_EQ(outcome.status, Status(StatusCode::kDeviceError, "line 2: broken"));
  EXPECT_THAT(outcome.sizes, ElementsAre(1));
  outcome = run("a\nbb\nrefuse\nfail\n", false);
  EXPECT_EQ(outcome.status, Status(StatusCode::kInvalidArgument, "line 3: refused"));
  EXPECT_THAT(outcome.sizes, ElementsAre(1, 2));
}

TEST(Stream, AFailingSinkEndsTheRunAlthoughTheInputGoesOn) {
  Pipe pipe;
  pipe.put("a\nb\nc\n");  // and the writing end stays open
  Console console;
  InputReader input(pipe.read_end(), {}, console);
  FakeEngine engine;
  CollectingSink sink(/*fail_after=*/1);
  Progress progress(console, false, std::nullopt);
  StreamTotals totals;
  const Status status = stream(engine, input, {}, sink, progress, &totals);
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(sink.sizes, ElementsAre(1));
}

TEST(Stream, KeepsBoundedWorkUnderWay) {
  std::string content;
  for (int i = 0; i < 5000; ++i) content += "text\n";
  test::TemporaryFolder folder;
  Console console;
  auto input = InputReader::open({.path = folder.write("in", content)}, console);
  FakeEngine engine;
  CollectingSink sink;
  Progress progress(console, false, std::nullopt);
  StreamTotals totals;
  EXPECT_TRUE(stream(engine, **input, {}, sink, progress, &totals).ok());
  EXPECT_EQ(sink.sizes.size(), 5000u);
  EXPECT_LE(engine.most_pending(), stream_limits(engine.info(), Task::kEmbed).questions);
}

TEST(StreamLimits, HoldFewerOfLargeAnswers) {
  ModelInfo info;
  info.hidden_size = 4096;
  info.max_length = 8192;
  info.max_batch_requests = 512;
  EXPECT_EQ(stream_limits(info, Task::kEmbed).questions, 2048u);
  EXPECT_EQ(stream_limits(info, Task::kHidden).questions, 2u);
  info = {};
  EXPECT_GE(stream_limits(info, Task::kHidden).questions, 2u);
}

TEST(OrderedAnswers, WaitsForRoomInBytesButLetsOneLargeTextThrough) {
  OrderedAnswers answers({.questions = 10, .bytes = 100});
  ASSERT_TRUE(answers.reserve(1, 1000).has_value());
  std::thread second([&] {
    const auto ticket = answers.reserve(2, 1);
    ASSERT_TRUE(ticket.has_value());
    answers.answer(*ticket, Response{.rows = 2});
    answers.finish();
  });
  answers.answer(0, Response{.rows = 1});
  EXPECT_EQ(answers.next()->response->rows, 1);
  EXPECT_EQ(answers.next()->response->rows, 2);
  EXPECT_FALSE(answers.next().has_value());
  second.join();
}

TEST(OrderedAnswers, CancelEndsAWaitForRoom) {
  OrderedAnswers answers({.questions = 1, .bytes = 100});
  ASSERT_TRUE(answers.reserve(1, 1).has_value());
  std::thread canceller([&] { answers.cancel(); });
  EXPECT_FALSE(answers.reserve(2, 1).has_value());
  canceller.join();
}

}  // namespace
}  // namespace wde::cli
