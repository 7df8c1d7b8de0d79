#include "execution/runner.h"

#include <gtest/gtest.h>

#include <barrier>

#include "table_model.h"
#include "tensor/device_registry.h"

namespace wde::execution {
namespace {

using test::Texts;

const Texts kTexts = {{8, 2, 5, 1}, {6, 4}, {3, 7}, {9}, {10}};
constexpr int64_t kTokens = 10;

std::vector<OutputPart> laid_out(const Runner& runner, const schema::ModelInput& input) {
  std::vector<OutputPart> parts;
  runner.lay_out(input, &parts);
  return parts;
}

class RunnerTest : public testing::Test {
 protected:
  std::unique_ptr<Runner> make_runner(int threads) {
    return Runner::create(
               {.model = model,
                .ops = &ops,
                .device = device,
                .threads = threads,
                .limits = {.shard = {.tokens = kTokens, .sequences = 5, .max_length = 4}}})
        .value();
  }
  std::vector<float> run(Runner& runner, Task task, size_t texts_per_shard) {
    std::vector<int32_t> block(schema::ModelInput::capacity(kTokens, 5));
    const schema::ModelInput input = test::pack(kTexts, task, block, texts_per_shard);
    const std::vector<OutputPart> parts = laid_out(runner, input);
    std::vector<float> output(static_cast<size_t>(parts.back().begin + parts.back().floats()), -1);
    runner.forward(*stream, input, block.data(), parts, output.data());
    EXPECT_TRUE(stream->synchronize().ok());
    return output;
  }

  std::shared_ptr<Device> device = create_device("cpu").value();
  const ops::OpTable& ops = *ops::choose_op_table("cpu").value();
  std::shared_ptr<const LoadedModel> model = test::load_table_model(device, ops);
  std::unique_ptr<Stream> stream = device->create_stream();
};

TEST_F(RunnerTest, EveryShardsRowsLandInTheirPlace) {
  for (const int threads : {1, 3}) {
    const auto runner = make_runner(threads);
    for (const size_t texts_per_shard : {size_t{1}, size_t{2}, size_t{5}}) {
      for (const Task task : {Task::kEmbed, Task::kHidden}) {
        EXPECT_EQ(run(*runner, task, texts_per_shard), test::expected_rows(kTexts, task))
            << threads << " threads, " << texts_per_shard << " texts a shard";
      }
    }
  }
}

TEST_F(RunnerTest, PoolingSkipsWhatEachTextAsks) {
  const auto runner = make_runner(2);
  const Texts texts = {{8, 2, 5}, {9, 3}, {6, 7}, {4, 1}};
  const Texts pooled = {{5}, {9, 3}, {7}, {4, 1}};
  std::vector<int32_t> block(schema::ModelInput::capacity(kTokens, 5));
  const schema::ModelInput input = test::pack(texts, Task::kEmbed, block, 2);
  block[input.skip_offset() + 0] = 2;
  block[input.skip_offset() + 2] = 1;
  std::vector<float> output(8);
  runner->forward(*stream, input, block.data(), laid_out(*runner, input), output.data());
  EXPECT_EQ(output, test::expected_rows(pooled, Task::kEmbed));
}

// Both shards' hidden states are there before either is pooled, and each fills its lane's arena.
TEST_F(RunnerTest, ShardsComputedAtOnceDoNotShareAWorkspace) {
  std::barrier both(2);
  model =
      test::load_table_model(device, ops, {.computed = [&](int32_t) { both.arrive_and_wait(); }});
  constexpr int64_t kFull = 512;
  const auto runner =
      Runner::create({.model = model,
                      .ops = &ops,
                      .device = device,
                      .threads = 2,
                      .limits = {.shard = {.tokens = kFull, .sequences = 1, .max_length = kFull}}})
          .value();
  const Texts texts = {std::vector<int32_t>(kFull, 3), std::vector<int32_t>(kFull, 5)};
  std::vector<int32_t> block(schema::ModelInput::capacity(2 * kFull, 2));
  const schema::ModelInput input = test::pack(texts, Task::kEmbed, block, 1);
  std::vector<float> output(4);
  runner->forward(*stream, input, block.data(), laid_out(*runner, input), output.data());
  EXPECT_EQ(output, test::expected_rows(texts, Task::kEmbed));
}

TEST_F(RunnerTest, RowsAreTextsOrTokens) {
  const auto runner = make_runner(1);
  std::vector<int32_t> block(schema::ModelInput::capacity(kTokens, 5));
  EXPECT_EQ(laid_out(*runner, test::pack(kTexts, Task::kEmbed, block)).front().rows, 5);
  EXPECT_EQ(laid_out(*runner, test::pack(kTexts, Task::kHidden, block)).front().rows, kTokens);
}

TEST_F(RunnerTest, AllHeadsOfATaskFillTheirPartsInOnePass) {
  int passes = 0;
  model = test::load_table_model(device, ops, {.computed = [&](int32_t) { ++passes; }});
  const auto runner = make_runner(1);
  std::vector<float> expected = test::expected_rows(kTexts, Task::kEmbed);
  const std::vector<float> states = test::expected_rows(kTexts, Task::kHidden);
  expected.insert(expected.end(), states.begin(), states.end());
  EXPECT_EQ(run(*runner, Task::kHybrid, 5), expected);
  EXPECT_EQ(passes, 1);
  EXPECT_EQ(run(*runner, Task::kHybrid, 2), expected);
}

TEST_F(RunnerTest, TheLargestAnswerIsOfAnyTask) {
  LoadedModel several;
  const heads::Head* mean = several.add(std::make_unique<test::MeanHead>());
  const heads::Head* states = several.add(std::make_unique<heads::HiddenHead>(2));
  several.tasks = {{.task = Task::kEmbed, .parts = {mean}}};
  EXPECT_EQ(max_output_floats(several, 100, 7), 14);
  several.tasks.push_back({.task = Task::kHidden, .parts = {states}});
  EXPECT_EQ(max_output_floats(several, 100, 7), 200);
  EXPECT_EQ(max_output_floats(several, 3, 7), 14);
  several.tasks.push_back({.task = Task::kHybrid, .parts = {mean, states}});
  EXPECT_EQ(max_output_floats(several, 100, 7), 214);
}

TEST_F(RunnerTest, ALongTextIsComputedInChunksWithTheSameRows) {
  std::vector<int32_t> begun;
  model =
      test::load_table_model(device, ops, {.computed = [&](int32_t id) { begun.push_back(id); }});
  const auto runner = make_runner(2);
  int between = 0;
  const std::function<void()> between_chunks = [&] { ++between; };
  const Texts text = {{8, 2, 5, 1, 6}};
  for (const Task task : {Task::kEmbed, Task::kHidden}) {
    begun.clear();
    between = 0;
    std::vector<int32_t> block(schema::ModelInput::capacity(kTokens, 5));
    schema::ModelInput input = test::pack(text, task, block);
    input.chunk_rows = 2;
    const std::vector<OutputPart> parts = laid_out(*runner, input);
    std::vector<float> output(static_cast<size_t>(parts.back().floats()), -1);
    runner->forward(*stream, input, block.data(), parts, output.data(), &between_chunks);
    EXPECT_EQ(output, test::expected_rows(text, task));
    EXPECT_EQ(begun, (std::vector<int32_t>{8, 5, 6}));
    EXPECT_EQ(between, 3);
  }
  // Whole passes know no between.
  between = 0;
  std::vector<int32_t> block(schema::ModelInput::capacity(kTokens, 5));
  const schema::ModelInput whole = test::pack(text, Task::kEmbed, block);
  std::vector<float> output(2);
  runner->forward(*stream, whole, block.data(), laid_out(*runner, whole), output.data(),
                  &between_chunks);
  EXPECT_EQ(between, 0);
}

TEST_F(RunnerTest, TheFirstLanesArenaHoldsALongTextBesideAShard) {
  const ShardLimits shard{.tokens = 1000, .sequences = 4, .max_length = 16};
  const ShardLimits long_text{
      .tokens = 3000, .sequences = 1, .max_length = 3000, .chunk_rows = 100};
  const ArenaSizes without = measure_arenas(*model, ops, *device, {.shard = shard}, 2);
  EXPECT_EQ(without.lane_bytes, 8192u);  // whole pages of [1000, 2] in f32
  EXPECT_EQ(without.bytes(3), 3 * 8192u);
  const ArenaSizes with =
      measure_arenas(*model, ops, *device, {.shard = shard, .long_text = long_text}, 2);
  EXPECT_EQ(with.lane_bytes, 8192u);
  EXPECT_EQ(with.long_text_bytes, 24576u);
  EXPECT_EQ(with.bytes(3), 3 * 8192u + 24576u);
}

// [T, 2] in f32: the model's only activation; the heads take none.
TEST_F(RunnerTest, WorkspaceIsMeasuredForTheLargestShard) {
  for (const int64_t tokens : {16, 160, 1600}) {
    const ShardLimits limits{.tokens = tokens, .sequences = 4, .max_length = 16};
    EXPECT_EQ(measure_workspace_bytes(*model, ops, *device, limits, 1),
              static_cast<size_t>(tokens) * 2 * sizeof(float));
  }
}

}  // namespace
}  // namespace wde::execution
