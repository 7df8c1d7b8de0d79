// EngineOptions.profile: the ops of a tiny BERT, how often each is called, and exactly how much
// arithmetic that is.

#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "support/paths.h"
#include "wde/engine.h"

namespace wde {
namespace {

// models/dense_tanh: one layer, hidden size 24, feed-forward 37, mean pooling, Dense to 17.
constexpr int64_t C = 24, F = 37, kDense = 17;

struct Work {
  int64_t calls = 0;
  double flops = 0;

  friend bool operator==(const Work&, const Work&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Work& work) {
    return out << work.calls << " calls of " << work.flops << " flops in all";
  }
};

// What one pass over texts of so many tokens each takes, all in one shard.
std::map<std::string, Work> expected_work(const std::vector<int>& lengths) {
  const int64_t T = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  const auto B = static_cast<int64_t>(lengths.size());
  const auto product = [](int64_t m, int64_t n, int64_t k) {
    return Work{1, 2.0 * static_cast<double>(m * n * k)};
  };
  int64_t pairs = 0;
  for (const int length : lengths) pairs += int64_t{length} * length;
  return {
      {"embedding_sum", {1, 0}},
      {"layer_norm", {3, 0}},
      {"linear 72x24", product(T, 3 * C, C)},  // queries, keys and values at once
      {"attention", {1, 4.0 * static_cast<double>(pairs * C)}},
      {"linear 24x24", product(T, C, C)},
      {"linear 37x24 gelu", product(T, F, C)},
      {"linear 24x37", product(T, C, F)},
      {"pooling", {1, 0}},
      {"linear 17x24 tanh", product(B, kDense, C)},
  };
}

std::map<std::string, Work> work_of(const std::vector<OpProfile>& ops) {
  std::map<std::string, Work> works;
  for (const OpProfile& op : ops) {
    EXPECT_FALSE(works.contains(op.op)) << op.op << " comes twice";
    EXPECT_GT(op.core_seconds, 0) << op.op;
    EXPECT_GT(op.bytes, 0) << op.op;
    works[op.op] = {op.calls, op.flops};
  }
  return works;
}

std::unique_ptr<Engine> load(EngineOptions options) {
  options.model = test::fixture("models/dense_tanh");
  options.profile = true;
  auto engine = Engine::load(options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engine.ok() ? std::move(*engine) : nullptr;
}

TEST(Profile, OneTextGoesThroughEveryOpOnce) {
  for (const char* dtype : {"f32", "bf16", "int8"}) {
    SCOPED_TRACE(dtype);
    const auto engine = load({.dtype = dtype, .threads = 1});
    ASSERT_NE(engine, nullptr);
    EXPECT_TRUE(engine->take_profile().empty()) << "loading computes nothing";
    const Result<Response> response = engine->run({.input = "a river of stone"});
    ASSERT_TRUE(response.ok()) << response.status().message();
    EXPECT_EQ(work_of(engine->take_profile()), expected_work({response->tokens}));
    EXPECT_TRUE(engine->take_profile().empty()) << "it was taken";
  }
}

TEST(Profile, HiddenStatesAreConvertedInsteadOfPooled) {
  const auto engine = load({.threads = 1});
  ASSERT_NE(engine, nullptr);
  const Result<Response> response = engine->run({.task = Task::kHidden, .input = "a river"});
  ASSERT_TRUE(response.ok()) << response.status().message();
  std::map<std::string, Work> expected = expected_work({response->tokens});
  expected.erase("pooling");
  expected.erase("linear 17x24 tanh");
  expected["convert"] = {1, 0};
  EXPECT_EQ(work_of(engine->take_profile()), expected);
}

// However the texts are batched and cut into shards, the arithmetic is the same.
TEST(Profile, TheWorkOfManyTextsAddsUpOverThreadsAndWorkers) {
  std::vector<Request> requests;
  std::string text;
  for (int i = 0; i < 60; ++i) {
    text = i % 17 == 0 ? "" : text + " lantern";
    requests.push_back({.input = text});
  }
  for (const int workers : {1, 2}) {
    const auto engine =
        load({.max_batch_requests = 8, .threads = 2 * workers, .data_parallel = workers});
    ASSERT_NE(engine, nullptr);
    std::vector<int> lengths;
    for (const Result<Response>& response : engine->run_all(requests)) {
      ASSERT_TRUE(response.ok()) << response.status().message();
      lengths.push_back(response->tokens);
    }
    const std::map<std::string, Work> expected = expected_work(lengths);
    const std::map<std::string, Work> found = work_of(engine->take_profile());
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [op, work] : expected) {
      ASSERT_TRUE(found.contains(op)) << op;
      EXPECT_EQ(found.at(op).flops, work.flops) << op;
      EXPECT_EQ(found.at(op).calls % work.calls, 0) << op;
      EXPECT_GE(found.at(op).calls, 8 * work.calls) << op << ": 60 texts in batches of 8 at most";
    }
  }
}

// Weights count in the bytes they are packed in; 8-bit products are of f32 where bf16 has no
// instructions.
TEST(Profile, BytesFollowThePrecision) {
  const struct {
    const char* dtype;
    double activation_bytes;
    double weight_bytes;
  } cases[] = {{"f32", 4, 4}, {"bf16", 2, 2}, {"int8", 4, 1}};
  for (const auto& [dtype, activation_bytes, weight_bytes] : cases) {
    const auto engine = load({.dtype = dtype, .isa = "reference", .threads = 1});
    ASSERT_NE(engine, nullptr);
    const Result<Response> response = engine->run({.input = "a river of stone"});
    ASSERT_TRUE(response.ok()) << response.status().message();
    double bytes = 0;
    for (const OpProfile& op : engine->take_profile()) {
      if (op.op == "linear 37x24 gelu") bytes = op.bytes;
    }
    EXPECT_EQ(bytes, activation_bytes * static_cast<double>(response->tokens * (C + F)) +
                         weight_bytes * static_cast<double>(F * C))
        << dtype;
  }
}

TEST(Profile, NothingIsNotedUnlessAskedFor) {
  EngineOptions options;
  options.model = test::fixture("models/dense_tanh");
  const auto engine = Engine::load(options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  ASSERT_TRUE((*engine)->run({.input = "a river"}).ok());
  EXPECT_TRUE((*engine)->take_profile().empty());
}

}  // namespace
}  // namespace wde
