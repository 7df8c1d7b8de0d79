// Over-long texts that are answered by the mean of their parts: the numbers, the counts, and that
// each is answered once, whatever happens to its parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <ostream>

#include "engine/load_on_device.h"
#include "support/paths.h"
#include "tensor/emulated_device.h"
#include "wde/engine.h"

namespace wde {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int kMaxLength = 12;

EngineOptions options_for(const std::string& model) {
  EngineOptions options;
  options.model = test::fixture("models/" + model);
  options.max_length = kMaxLength;
  options.over_long = OverLong::kAverage;
  return options;
}

std::unique_ptr<Engine> load(const EngineOptions& options) {
  auto engine = Engine::load(options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engine.ok() ? std::move(*engine) : nullptr;
}

std::string words(int count) {
  const std::vector<std::string> some = {"stone", "river", "a", "lantern", "bridge", "of"};
  std::string text;
  for (int i = 0; i < count; ++i) text += some[static_cast<size_t>(i * i) % some.size()] + " ";
  return text;
}

Response embed(Engine& engine, Request request) {
  const auto answer = engine.run(std::move(request));
  EXPECT_TRUE(answer.ok()) << answer.status().message();
  return answer.ok() ? *answer : Response();
}

// What the answer should be: runs of a text's tokens behind the prompt's, as few and as even as the
// limit allows, embedded each for itself and averaged here.
std::vector<float> expected_mean(Engine& engine, const std::string& prompt, const std::string& text,
                                 size_t* tokens) {
  const TextTokenizer& tokenizer = engine.tokenizer();
  const std::vector<int32_t> specials = *tokenizer.token_ids("", true);
  const std::vector<int32_t> before = *tokenizer.token_ids(prompt, false);
  const std::vector<int32_t> own = *tokenizer.token_ids(text, false);
  const size_t room = kMaxLength - specials.size() - before.size();
  const size_t count = (own.size() + room - 1) / room;
  EXPECT_EQ(specials.size(), 2u);
  EXPECT_GT(count, 1u);
  std::vector<double> sum;
  *tokens = 0;
  size_t done = 0;
  for (size_t run = 0; run < count; ++run) {
    const size_t length = own.size() / count + (run < own.size() % count ? 1 : 0);
    std::vector<int32_t> ids = {specials.front()};
    ids.insert(ids.end(), before.begin(), before.end());
    ids.insert(ids.end(), own.begin() + static_cast<std::ptrdiff_t>(done),
               own.begin() + static_cast<std::ptrdiff_t>(done + length));
    ids.push_back(specials.back());
    done += length;
    *tokens += ids.size();
    const Response answer = embed(engine, {.input = ids, .normalize = false});
    sum.resize(answer.values.size());
    for (size_t i = 0; i < sum.size(); ++i)
      sum[i] += static_cast<double>(length) * answer.values[i];
  }
  std::vector<float> mean;
  for (const double x : sum)
    mean.push_back(static_cast<float>(x / static_cast<double>(own.size())));
  return mean;
}

std::vector<float> normalized(std::vector<float> row) {
  double sum = 0;
  for (const float x : row) sum += static_cast<double>(x) * x;
  for (float& x : row) x /= static_cast<float>(std::sqrt(sum));
  return row;
}

struct Loop {
  const char* name;
  std::string executor;
  int workers;

  friend std::ostream& operator<<(std::ostream& out, const Loop& loop) { return out << loop.name; }
};

class AveragingOn : public testing::TestWithParam<Loop> {
 protected:
  EngineOptions options(const std::string& model) const {
    EngineOptions options = options_for(model);
    options.executor = GetParam().executor;
    options.data_parallel = GetParam().workers;
    options.threads = GetParam().workers;
    options.max_batch_requests = 3;  // so that a text's parts are in several batches
    return options;
  }
};

TEST_P(AveragingOn, AnOverLongTextIsTheMeanOfItsParts) {
  const auto engine = load(options("mean_normalize"));
  for (const int count : {11, 12, 40, 200}) {
    SCOPED_TRACE(count);
    size_t tokens = 0;
    const std::vector<float> mean = expected_mean(*engine, "", words(count), &tokens);
    const Response raw = embed(*engine, {.input = words(count), .normalize = false});
    EXPECT_EQ(raw.values, mean);
    EXPECT_EQ(raw.tokens, static_cast<int>(tokens));
    EXPECT_GT(raw.parts, 1);
    EXPECT_FALSE(raw.truncated);
    EXPECT_EQ(embed(*engine, {.input = words(count)}).values, normalized(mean));
    const Response cut = embed(*engine, {.input = words(count), .dimensions = 5});
    EXPECT_EQ(cut.values, normalized({mean.begin(), mean.begin() + 5}));
  }
}

TEST_P(AveragingOn, ManyAtOnceGetTheirOwnAnswers) {
  EngineOptions small = options("mean_normalize");
  small.max_queued_requests = 2;  // a text counts once, however many parts it has
  const auto engine = load(small);
  std::vector<Request> requests;
  for (int i = 0; i < 40; ++i) requests.push_back({.input = words(3 * i)});
  const auto answers = engine->run_all(requests);
  for (size_t i = 0; i < answers.size(); ++i) {
    ASSERT_TRUE(answers[i].ok()) << answers[i].status().message();
    EXPECT_EQ(answers[i]->values, embed(*engine, requests[i]).values) << i;
  }
  engine->shutdown();
  EXPECT_THAT(engine->metrics(), HasSubstr("te_queue_size 0\n"));
  EXPECT_EQ(engine->pending(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Loops, AveragingOn,
                         testing::Values(Loop{"simple", "simple", 1},
                                         Loop{"double_buffer", "double_buffer", 1},
                                         Loop{"two_workers", "double_buffer", 2}),
                         [](const auto& loop) { return std::string(loop.param.name); });

TEST(Averaging, ThePromptStandsBeforeEveryPartAndMayBeLeftOutOfThePooling) {
  for (const char* model : {"prompt_default", "prompt_excluded"}) {
    SCOPED_TRACE(model);
    EngineOptions options = options_for(model);
    options.prompt = "a river";
    const auto engine = load(options);
    size_t tokens = 0;
    const std::vector<float> mean = expected_mean(*engine, "a river", words(30), &tokens);
    const Response answer = embed(*engine, {.input = " " + words(30), .normalize = false});
    EXPECT_EQ(answer.tokens, static_cast<int>(tokens));
    // Token ids have no prompt that could be left out.
    if (std::string(model) == "prompt_default") {
      EXPECT_EQ(answer.values, mean);
    } else {
      EXPECT_NE(answer.values, mean);
    }
  }
}

TEST(Averaging, ATextWithinTheLimitIsComputedAsEver) {
  const auto engine = load(options_for("mean_normalize"));
  const Response answer = embed(*engine, {.input = words(4)});
  EXPECT_EQ(answer.parts, 1);
  EXPECT_EQ(answer.values,
            embed(*engine, {.input = words(4), .over_long = OverLong::kTruncate}).values);
}

TEST(Averaging, ATextIsCountedOnceWithTheTokensOfAllParts) {
  const auto engine = load(options_for("mean_normalize"));
  const Response answer = embed(*engine, {.input = words(100)});
  const Timestamps& t = answer.timestamps;
  EXPECT_LE(t.arrival, t.tokenized);
  EXPECT_LE(t.tokenized, t.scheduled);
  EXPECT_LE(t.scheduled, t.begin);
  EXPECT_LE(t.begin, t.end);
  EXPECT_THAT(engine->metrics(),
              AllOf(HasSubstr("te_embed_count 1\n"), HasSubstr("te_embed_success 1\n"),
                    HasSubstr("te_request_input_length_count 1\n"),
                    HasSubstr("te_request_input_length_sum " + std::to_string(answer.tokens)),
                    HasSubstr("te_queue_size 0\n")));
}

TEST(Averaging, CancelledTextsAreAnsweredOnce) {
  EngineOptions options = options_for("mean_normalize");
  options.max_batch_requests = 1;
  const auto engine = load(options);
  std::atomic<int> done{0}, cancelled{0};
  std::vector<RequestId> ids;
  for (int i = 0; i < 100; ++i) {
    const auto id = engine->submit_when_room({.input = words(60)}, [&](Result<Response> result) {
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
  engine->shutdown();
  EXPECT_EQ(done + cancelled, 100);
  EXPECT_GT(cancelled, 0);
  EXPECT_THAT(engine->metrics(), HasSubstr("te_queue_size 0\n"));
  EXPECT_EQ(engine->pending(), 0u);
}

TEST(Averaging, APassedDeadlineFailsTheWholeText) {
  const auto engine = load(options_for("mean_normalize"));
  const auto late =
      engine->run({.input = words(60), .deadline = Clock::now() - std::chrono::seconds(1)});
  EXPECT_EQ(late.status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(engine->metrics(), AllOf(HasSubstr("te_embed_count 1\n"),
                                       HasSubstr("te_embed_failure{err=\"deadline_exceeded\"} 1\n"),
                                       HasSubstr("te_queue_size 0\n")));
}

// The second batch fails on its way in: the text that had parts in it fails, once.
TEST(Averaging, AFailedPartFailsItsTextAlone) {
  for (const char* executor : {"simple", "double_buffer"}) {
    SCOPED_TRACE(executor);
    auto device = create_emulated_device({.seed = 5});
    ASSERT_TRUE(device.ok());
    EngineOptions options = options_for("mean_normalize");
    options.executor = executor;
    options.max_batch_requests = 2;
    options.request_threads = 1;
    options.memory_utilization = 1.0;
    auto engine = engine::load_on_device(options, *device);
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    (*device)->set_faults({.copy = EmulatedFault{2, "copy_to_device"}});
    const auto failed = (*engine)->run({.input = words(100)});
    EXPECT_EQ(failed.status().code(), StatusCode::kDeviceError) << failed.status().message();
    EXPECT_THAT((*engine)->metrics(), AllOf(HasSubstr("te_embed_failure{err=\"device_error\"} 1\n"),
                                            HasSubstr("te_embed_count 1\n")));
    EXPECT_GT(embed(**engine, {.input = words(100)}).parts, 2);
    EXPECT_TRUE((*device)->violations().empty());
  }
}

TEST(Averaging, WhatCannotBeAveragedIsNamed) {
  const auto engine = load(options_for("mean_normalize"));
  const Status hidden = engine->run({.task = Task::kHidden, .input = "a"}).status();
  EXPECT_EQ(hidden.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(hidden.message(), AllOf(HasSubstr("averaged"), HasSubstr("\"hidden\"")));
  const Status pair = engine->run({.input = TextPair{words(20), "a"}}).status();
  EXPECT_EQ(pair.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(pair.message(), HasSubstr("pair"));

  EngineOptions other_task = options_for("mean_normalize");
  other_task.task = Task::kHidden;
  EXPECT_THAT(Engine::load(other_task).status().message(),
              AllOf(HasSubstr("--truncate average"), HasSubstr("\"hidden\"")));
  EngineOptions reranker = options_for("mean_normalize");
  reranker.model = test::fixture("task_models/bert_rerank");
  EXPECT_THAT(Engine::load(reranker).status().message(), HasSubstr("--truncate average"));
}

}  // namespace
}  // namespace wde
