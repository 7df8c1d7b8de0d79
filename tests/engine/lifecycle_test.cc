// Every accepted request is answered exactly once, whatever happens to it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "support/paths.h"
#include "wde/engine.h"

namespace wde {
namespace {

using testing::HasSubstr;

std::unique_ptr<Engine> load(EngineOptions options) {
  if (options.model.empty()) options.model = test::fixture("models/mean_normalize");
  auto engine = Engine::load(options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engine.ok() ? std::move(*engine) : nullptr;
}

Status load_error(const EngineOptions& options) {
  auto engine = Engine::load(options);
  return engine.ok() ? Status() : engine.status();
}

TEST(Lifecycle, ShutdownAnswersWhatWasAcceptedAndRefusesTheRest) {
  const auto engine = load({});
  std::atomic<int> accepted{0}, answered{0}, refused{0};
  std::vector<std::thread> clients;
  std::atomic<bool> started{false};
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&] {
      for (int i = 0; i < 300; ++i) {
        const auto id =
            engine->submit_when_room({.input = "a river of stone"}, [&](Result<Response> result) {
              EXPECT_TRUE(result.ok()) << result.status().message();
              ++answered;
            });
        if (id.ok()) {
          ++accepted;
          started = true;
        } else {
          EXPECT_EQ(id.status().code(), StatusCode::kShuttingDown);
          ++refused;
        }
      }
    });
  }
  while (!started) std::this_thread::yield();
  engine->shutdown();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(answered, accepted);
  EXPECT_EQ(accepted + refused, 1200);
  EXPECT_EQ(engine->pending(), 0u);
}

TEST(Lifecycle, AFullQueueRefusesAndSaysSo) {
  EngineOptions options;
  options.max_queued_requests = 2;
  options.max_batch_requests = 1;
  const auto engine = load(options);
  std::atomic<int> accepted{0}, answered{0}, overloaded{0};
  for (int i = 0; i < 2000; ++i) {
    const auto id = engine->submit({.input = "lantern"}, [&](Result<Response>) { ++answered; });
    if (id.ok()) {
      ++accepted;
    } else {
      EXPECT_EQ(id.status().code(), StatusCode::kOverloaded);
      ++overloaded;
    }
  }
  engine->shutdown();
  EXPECT_EQ(answered, accepted);
  EXPECT_GT(overloaded, 0);
}

TEST(Lifecycle, CancelledRequestsAreAnsweredOnce) {
  EngineOptions options;
  options.max_batch_requests = 1;
  const auto engine = load(options);
  std::atomic<int> done{0}, cancelled{0};
  std::vector<RequestId> ids;
  for (int i = 0; i < 500; ++i) {
    const auto id = engine->submit_when_room({.input = "stone"}, [&](Result<Response> result) {
      if (result.ok()) {
        ++done;
      } else {
        EXPECT_EQ(result.status().code(), StatusCode::kCancelled);
        ++cancelled;
      }
    });
    ASSERT_TRUE(id.ok());
    ids.push_back(*id);
  }
  for (const RequestId id : ids) engine->cancel(id);
  engine->cancel(123456789);  // never heard of
  engine->shutdown();
  EXPECT_EQ(done + cancelled, 500);
}

std::string long_text() {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "stone ";
  return text;
}

// Short texts without end, two at a time, until the long ones are answered.
TEST(Lifecycle, AStreamOfShortTextsDoesNotStarveLongOnes) {
  for (const char* executor : {"simple", "double_buffer"}) {
    const auto engine =
        load({.executor = executor, .max_batch_requests = 1, .long_text_tokens = 16});
    std::atomic<int> long_answered{0}, short_submitted{0}, short_answered{0};
    const std::function<void()> submit_short = [&] {
      ++short_submitted;
      const auto id = engine->submit({.input = "a river"}, [&](const Result<Response>& result) {
        EXPECT_TRUE(result.ok()) << result.status().message();
        if (long_answered < 3) submit_short();
        ++short_answered;
      });
      EXPECT_TRUE(id.ok());
    };
    submit_short();
    submit_short();
    for (int i = 0; i < 3; ++i) {
      const auto id = engine->submit({.input = long_text()}, [&](const Result<Response>& result) {
        EXPECT_TRUE(result.ok()) << result.status().message();
        ++long_answered;
      });
      EXPECT_TRUE(id.ok());
    }
    while (long_answered < 3) std::this_thread::yield();
    while (short_answered < short_submitted) std::this_thread::yield();
    engine->shutdown();
    EXPECT_EQ(short_answered, short_submitted);
  }
}

TEST(Lifecycle, LongTextsThatAreCancelledOrCutShortAreAnsweredOnce) {
  for (const char* executor : {"simple", "double_buffer"}) {
    const auto engine =
        load({.executor = executor, .max_batch_requests = 1, .long_text_tokens = 16});
    std::atomic<int> done{0}, cancelled{0};
    std::vector<RequestId> ids;
    for (int i = 0; i < 60; ++i) {
      const std::string text = i % 2 == 0 ? long_text() : "a river";
      const auto id = engine->submit({.input = text}, [&](const Result<Response>& result) {
        if (result.ok()) {
          ++done;
        } else {
          EXPECT_EQ(result.status().code(), StatusCode::kCancelled);
          ++cancelled;
        }
      });
      ASSERT_TRUE(id.ok());
      ids.push_back(*id);
    }
    for (size_t i = 0; i < ids.size(); i += 3) engine->cancel(ids[i]);
    engine->shutdown();  // in the midst of one of them
    EXPECT_EQ(done + cancelled, 60);
    EXPECT_GE(done, 40);
    EXPECT_EQ(engine->pending(), 0u);
  }
}

TEST(Lifecycle, APassedDeadlineIsAnAnswerToo) {
  const auto engine = load({});
  const auto late =
      engine->run({.input = "stone", .deadline = Clock::now() - std::chrono::seconds(1)});
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(
      engine->run({.input = "stone", .deadline = Clock::now() + std::chrono::hours(1)}).ok());
}

TEST(Lifecycle, TimestampsAreInOrder) {
  const auto engine = load({});
  const auto answer = engine->run({.input = "stone"});
  ASSERT_TRUE(answer.ok());
  const Timestamps& t = answer->timestamps;
  EXPECT_LE(t.arrival, t.tokenized);
  EXPECT_LE(t.tokenized, t.scheduled);
  EXPECT_LE(t.scheduled, t.begin);
  EXPECT_LE(t.begin, t.end);
}

TEST(Requests, WhatIsWrongIsNamed) {
  const auto engine = load({});
  const auto error_of = [&](Request request) { return engine->run(std::move(request)).status(); };
  const Status dimensions = error_of({.input = "a", .dimensions = 100000});
  EXPECT_EQ(dimensions.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(dimensions.message(), HasSubstr("100000"));
  EXPECT_THAT(error_of({.input = "a", .prompt_name = "nope"}).message(), HasSubstr("nope"));
  EXPECT_EQ(error_of({.input = std::vector<int32_t>{}}).code(), StatusCode::kEmptyInput);
  EXPECT_THAT(error_of({.input = std::vector<int32_t>{1, 99999999}}).message(),
              HasSubstr("99999999"));
  EXPECT_THAT(error_of({.input = std::vector<int32_t>{-1}}).message(), HasSubstr("-1"));
  std::string over_long;
  for (int i = 0; i < 5000; ++i) over_long += "stone ";
  const Status too_long = error_of({.input = over_long, .over_long = OverLong::kError});
  EXPECT_EQ(too_long.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(too_long.message(), HasSubstr("limit"));
  const auto truncated = engine->run({.input = over_long});
  ASSERT_TRUE(truncated.ok());
  EXPECT_TRUE(truncated->truncated);
  EXPECT_EQ(truncated->tokens, engine->info().max_length);
  EXPECT_TRUE(engine->run({.input = std::string("\xff\xfe \x80")}).ok());
}

TEST(Options, WhatIsWrongIsNamed) {
  const std::string model = test::fixture("models/mean_normalize");
  const auto expect_error = [&](EngineOptions options, StatusCode code, const char* part) {
    const Status status = load_error(options);
    EXPECT_EQ(status.code(), code) << status.message();
    EXPECT_THAT(status.message(), HasSubstr(part));
  };
  expect_error({.model = "/no/such/folder"}, StatusCode::kNotFound, "/no/such/folder");
  expect_error({.model = model, .workflow = "magic"}, StatusCode::kInvalidArgument, "magic");
  expect_error({.model = model, .dtype = "f7"}, StatusCode::kInvalidArgument, "f7");
  expect_error({.model = model, .device = "abacus"}, StatusCode::kInvalidArgument, "abacus");
  expect_error({.model = model, .isa = "mmx"}, StatusCode::kInvalidArgument, "mmx");
  expect_error({.model = model, .attention_backend = "psychic"}, StatusCode::kInvalidArgument,
               "psychic");
  expect_error({.model = model, .gemm_backend = "abacus"}, StatusCode::kInvalidArgument, "abacus");
  expect_error({.model = model, .executor = "triple"}, StatusCode::kInvalidArgument, "triple");
  expect_error({.model = model, .pooling = "sum"}, StatusCode::kInvalidArgument, "sum");
  expect_error({.model = model, .max_length = 0}, StatusCode::kInvalidArgument, "max-length");
  expect_error({.model = model, .prompt = "a", .prompt_name = "b"}, StatusCode::kInvalidArgument,
               "prompt");
  expect_error({.model = model, .prompt_name = "nope"}, StatusCode::kInvalidArgument, "nope");
  expect_error({.model = model, .data_parallel = 0}, StatusCode::kInvalidArgument, "data-parallel");
  expect_error({.model = model, .memory_utilization = 0}, StatusCode::kInvalidArgument,
               "memory-utilization");
}

}  // namespace
}  // namespace wde
