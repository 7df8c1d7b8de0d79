// What an engine says that it will take, with and without long texts.
#include <gtest/gtest.h>

#include "support/paths.h"
#include "workflow/assembly.h"

namespace wde::workflow {
namespace {

// The fixture is a decoder of at most 110 tokens, C 32.
Assembly assembled(EngineOptions options) {
  options.model = test::fixture("models/qwen3");
  options.threads = 2;
  options.max_batch_requests = 8;
  auto parts = assemble(options, nullptr, AssembleUntil::kMemoryPlan, nullptr);
  EXPECT_TRUE(parts.ok()) << parts.status().message();
  return std::move(parts).value();
}

size_t arena_bytes(const Assembly& parts, const execution::PassLimits& limits) {
  return execution::measure_arenas(*parts.model, *parts.settings.ops, *parts.settings.device,
                                   limits, 2)
      .bytes(2);
}

size_t slot_bytes(const Assembly& parts, int64_t tokens) {
  return execution::Worker::slot_bytes(tokens, 8,
                                       execution::max_output_floats(*parts.model, tokens, 8));
}

TEST(MemoryPlan, WithoutLongTextsIsOfOrdinaryBatches) {
  const Assembly parts = assembled({.executor = "double_buffer", .max_batch_tokens = 300});
  const MemoryPlan& plan = parts.memory_plan;
  EXPECT_EQ(plan.budget.max_tokens, 300);
  EXPECT_EQ(plan.slot_tokens, 300);
  EXPECT_EQ(plan.pass_limits.shard.tokens, 128 + 110);
  EXPECT_EQ(plan.pass_limits.shard.max_length, 110);
  EXPECT_EQ(plan.pass_limits.shard.chunk_rows, 0);
  EXPECT_EQ(plan.pass_limits.long_text.tokens, 0);
  EXPECT_EQ(plan.workspace_bytes,
            arena_bytes(parts, {.shard = plan.pass_limits.shard}) + 2 * slot_bytes(parts, 300));
}

TEST(MemoryPlan, HoldsALongTextBesideOrdinaryBatches) {
  const Assembly parts =
      assembled({.executor = "double_buffer", .max_batch_tokens = 70, .long_text_tokens = 65});
  const MemoryPlan& plan = parts.memory_plan;
  EXPECT_EQ(plan.budget.max_tokens, 70);
  EXPECT_EQ(plan.slot_tokens, 110);
  EXPECT_EQ(plan.pass_limits.shard.tokens, 70);
  EXPECT_EQ(plan.pass_limits.shard.max_length, 65);
  EXPECT_EQ(plan.pass_limits.long_text.tokens, 110);
  EXPECT_EQ(plan.pass_limits.long_text.sequences, 1);
  EXPECT_EQ(plan.pass_limits.long_text.max_length, 110);
  EXPECT_EQ(plan.pass_limits.long_text.chunk_rows, 32);
  EXPECT_EQ(plan.workspace_bytes,
            arena_bytes(parts, plan.pass_limits) + 2 * slot_bytes(parts, 110));
  EXPECT_EQ(parts.info.long_text_tokens, 65);
  EXPECT_EQ(parts.info.max_batch_tokens, 70);
}

TEST(MemoryPlan, IsOfEveryWorker) {
  const EngineOptions options{.executor = "simple", .max_batch_tokens = 70, .long_text_tokens = 65};
  EngineOptions two = options;
  two.data_parallel = 2;
  const Assembly parts = assembled(two);
  EXPECT_EQ(parts.memory_plan.workspace_bytes,
            2 * (execution::measure_arenas(*parts.model, *parts.settings.ops,
                                           *parts.settings.device, parts.memory_plan.pass_limits, 1)
                     .bytes(1) +
                 slot_bytes(parts, 110)));
}

// In chunks, a token's share of the workspace is its hidden state and its q, k and v; as a whole
// pass it is more than twice as much.
TEST(MemoryPlan, ALongTextTakesLittleForEachToken) {
  const Assembly parts = assembled({.long_text_tokens = 65});
  const json::object& config = parts.settings.folder.config;
  const auto field = [&](const char* name) { return config.at(name).as_int64(); };
  const int64_t columns =
      field("hidden_size") +
      (field("num_attention_heads") + 2 * field("num_key_value_heads")) * field("head_dim");
  const auto bytes_of = [&](int64_t tokens, int64_t chunk_rows) {
    return execution::measure_workspace_bytes(
        *parts.model, *parts.settings.ops, *parts.settings.device,
        {.tokens = tokens, .sequences = 1, .max_length = tokens, .chunk_rows = chunk_rows}, 2);
  };
  const auto share = static_cast<size_t>(columns) * sizeof(float) * 16384;
  EXPECT_EQ(bytes_of(32768, 1024) - bytes_of(16384, 1024), share);
  EXPECT_GT(bytes_of(32768, 0) - bytes_of(16384, 0), share);
  EXPECT_LT(bytes_of(32768, 1024), bytes_of(32768, 0));
}

}  // namespace
}  // namespace wde::workflow
