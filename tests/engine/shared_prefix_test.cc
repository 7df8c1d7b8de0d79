// Texts that begin with the same tokens compute them once, and nobody can tell from the answers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <latch>
#include <map>
#include <utility>

#include "engine/load_on_device.h"
#include "support/paths.h"
#include "tensor/emulated_device.h"
#include "wde/engine.h"

namespace wde {
namespace {

// Two instructions of some forty tokens, before texts of a few; and texts that stand alone.
std::vector<std::string> make_texts() {
  std::string river, lantern;
  for (int i = 0; i < 12; ++i) river += "the river swam ";
  for (int i = 0; i < 16; ++i) lantern += "a lantern of stone ";
  std::vector<std::string> texts = {"", "a", "bridge of stone", lantern, river};
  for (int i = 0; i < 9; ++i) {
    const std::string own = std::string(static_cast<size_t>(i) + 1, static_cast<char>('a' + i));
    texts.push_back(river + own + " and the bridge");
    if (i % 2 == 0) texts.push_back(lantern + own);
  }
  return texts;
}

EngineOptions options_for(const std::string& model, bool share) {
  EngineOptions options;
  options.model = test::fixture(model);
  options.share_prefixes = share;
  return options;
}

std::vector<Request> requests_for(Task task) {
  std::vector<Request> requests;
  for (const std::string& text : make_texts()) {
    Request& request = requests.emplace_back();
    request.task = task;
    request.raw_scores = task == Task::kClassify;
    if (task == Task::kRerank) {
      request.input = TextPair{"stone bridges over the river", text};
    } else {
      request.input = text;
    }
  }
  return requests;
}

// Of a classifier its logits, label by label.
std::vector<float> row_of(const Response& response) {
  if (response.task != Task::kClassify) return response.values;
  std::map<std::string, float> logits;
  for (const LabelScore& label : response.labels) logits[label.label] = label.score;
  std::vector<float> row;
  for (const auto& [label, logit] : logits) row.push_back(logit);
  return row;
}

std::vector<std::vector<float>> rows_of(const std::vector<Result<Response>>& answers) {
  std::vector<std::vector<float>> rows;
  for (const Result<Response>& answer : answers) {
    EXPECT_TRUE(answer.ok()) << answer.status().message();
    rows.push_back(answer.ok() ? row_of(*answer) : std::vector<float>());
  }
  return rows;
}

std::vector<std::vector<float>> run(const EngineOptions& options, Task task) {
  const auto engine = Engine::load(options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  if (!engine.ok()) return {};
  return rows_of((*engine)->run_all(requests_for(task)));
}

void expect_same_bits(const std::vector<std::vector<float>>& actual,
                      const std::vector<std::vector<float>>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_EQ(actual[i].size(), expected[i].size());
    ASSERT_FALSE(actual[i].empty());
    EXPECT_EQ(std::memcmp(actual[i].data(), expected[i].data(), actual[i].size() * sizeof(float)),
              0)
        << "text " << i;
  }
}

struct Case {
  const char* model;
  Task task;
};

class SharedPrefix : public testing::TestWithParam<Case> {};

TEST_P(SharedPrefix, HasTheBitsOfThePlainPath) {
  const auto& [model, task] = GetParam();
  for (const char* dtype : {"f32", "bf16", "int8"}) {
    EngineOptions plain = options_for(model, false);
    plain.dtype = dtype;
    plain.max_batch_requests = 1;
    const auto expected = run(plain, task);
    for (const char* executor : {"simple", "double_buffer"}) {
      for (const int threads : {1, 2}) {
        for (const char* attention : {"flash", "naive"}) {
          EngineOptions shared = options_for(model, true);
          shared.dtype = dtype;
          shared.executor = executor;
          shared.threads = threads;
          shared.attention_backend = attention;
          SCOPED_TRACE(std::string(dtype) + ", " + executor + ", " + attention);
          if (std::string_view(attention) == "flash") {
            expect_same_bits(run(shared, task), expected);
          } else {
            EngineOptions plain_naive = plain;
            plain_naive.attention_backend = attention;
            expect_same_bits(run(shared, task), run(plain_naive, task));
          }
        }
      }
    }
  }
}

TEST_P(SharedPrefix, OnAnotherDeviceToo) {
  const auto& [model, task] = GetParam();
  std::vector<std::vector<float>> rows[2];
  for (const bool share : {false, true}) {
    EngineOptions options = options_for(model, share);
    options.memory_utilization = 1.0;
    auto device = create_emulated_device({});
    ASSERT_TRUE(device.ok()) << device.status().message();
    auto engine = engine::load_on_device(options, *device);
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    rows[share ? 1 : 0] = rows_of((*engine)->run_all(requests_for(task)));
  }
  expect_same_bits(rows[1], rows[0]);
}

double flops(const Engine& engine) {
  double sum = 0;
  for (const OpProfile& op : const_cast<Engine&>(engine).take_profile()) sum += op.flops;
  return sum;
}

// Holds the engine up, in the answer to a text of its own, until all of these wait: they are one
// batch then, however slowly they come.
void run_together(Engine& engine, std::vector<Request> requests) {
  std::latch waiting(1);
  std::latch answered(static_cast<std::ptrdiff_t>(requests.size()) + 1);
  const auto submit = [&](Request request, Callback done) {
    const Result<RequestId> accepted = engine.submit(std::move(request), std::move(done));
    EXPECT_TRUE(accepted.ok()) << accepted.status().message();
    if (!accepted.ok()) answered.count_down();
  };
  submit(requests.front(), [&](const Result<Response>&) {
    waiting.wait();
    answered.count_down();
  });
  for (Request& request : requests) {
    submit(std::move(request), [&](const Result<Response>& response) {
      EXPECT_TRUE(response.ok()) << response.status().message();
      answered.count_down();
    });
  }
  waiting.count_down();
  answered.wait();
}

TEST_P(SharedPrefix, TakesLess) {
  const auto& [model, task] = GetParam();
  double spent[2];
  for (const bool share : {false, true}) {
    EngineOptions options = options_for(model, share);
    options.profile = true;
    options.threads = 1;
    options.executor = "simple";
    const auto engine = Engine::load(options);
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    run_together(**engine, requests_for(task));
    spent[share ? 1 : 0] = flops(**engine);
  }
  EXPECT_LT(spent[1], 0.9 * spent[0]);
}

INSTANTIATE_TEST_SUITE_P(Models, SharedPrefix,
                         testing::Values(Case{"models/qwen3", Task::kEmbed},
                                         Case{"models/gemma2", Task::kEmbed},
                                         Case{"models/mistral", Task::kEmbed},
                                         Case{"models/gpt2", Task::kEmbed},
                                         Case{"task_models/qwen2_classify", Task::kClassify},
                                         Case{"task_models/gemma3_classify", Task::kClassify},
                                         Case{"task_models/gpt2_rerank", Task::kClassify},
                                         Case{"task_models/qwen3_yes_no", Task::kRerank}),
                         [](const auto& test) {
                           std::string name = test.param.model;
                           return name.substr(name.find('/') + 1);
                         });

// A classifier answers with the last token that is no padding: here for some texts in the middle of
// what all begin with, or at its end.
TEST(SharedPrefixClassifier, PaddingInATextIsPassedOver) {
  constexpr int32_t kPadding = 3, kPrefix = 70;
  std::vector<std::vector<int32_t>> texts;
  for (const int counted : {70, 69, 40, 33, 31, 1}) {
    for (const std::vector<int32_t>& own :
         {std::vector<int32_t>{kPadding, kPadding}, {kPadding, 9, kPadding}, {7}}) {
      std::vector<int32_t>& ids = texts.emplace_back();
      for (int32_t i = 0; i < kPrefix; ++i) ids.push_back(i < counted ? 10 + i : kPadding);
      ids.insert(ids.end(), own.begin(), own.end());
    }
  }
  std::vector<std::vector<float>> rows[2];
  for (const bool share : {false, true}) {
    EngineOptions options = options_for("task_models/qwen2_classify", share);
    if (!share) options.max_batch_requests = 1;
    const auto engine = Engine::load(options);
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    std::vector<Request> requests;
    for (const std::vector<int32_t>& ids : texts)
      requests.push_back({.task = Task::kClassify, .input = ids, .raw_scores = true});
    rows[share ? 1 : 0] = rows_of((*engine)->run_all(std::move(requests)));
  }
  expect_same_bits(rows[1], rows[0]);
  EXPECT_NE(rows[0][0], rows[0][1]);
}

TEST(SharedPrefixRefusal, NamesTheFlagWhereTokensSeeThoseBehindThem) {
  const auto plan = Engine::plan(options_for("models/qwen2_bidirectional", true));
  ASSERT_FALSE(plan.ok());
  EXPECT_THAT(plan.status().message(), testing::HasSubstr("--share-prefixes"));
  EXPECT_TRUE(Engine::plan(options_for("models/qwen2_bidirectional", false)).ok());
  const auto mean = Engine::plan(options_for("models/qwen3_windows", true));
  ASSERT_FALSE(mean.ok());
  EXPECT_THAT(mean.status().message(), testing::HasSubstr("last token"));
}

TEST(SharedPrefixRefusal, ADecoderWithoutItsMaskSharesNothing) {
  EngineOptions options;
  options.model = test::fixture("models/gpt2");
  options.enable_bidirectional = true;
  EXPECT_FALSE(run(options, Task::kEmbed).empty());
  options.share_prefixes = true;
  EXPECT_FALSE(Engine::plan(options).ok());
}

}  // namespace
}  // namespace wde
