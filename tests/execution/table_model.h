// A model small enough to follow by hand: a token's hidden state is {id, 100 + id}, a text's
// embedding the mean of its tokens'. A test can hold a batch, and so decides what is in flight.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "execution/loaded_model.h"
#include "heads/hidden_head.h"
#include "layers/row_chunks.h"
#include "ops/ops.h"
#include "ops/registry.h"
#include "schema/schema.h"

namespace wde::execution::test {

// Sequences of token ids.
using Texts = std::vector<std::vector<int32_t>>;

// Lets batches pass, but for those that a test holds; a batch is known by its first token's id.
// Thread-safe.
class Gate {
 public:
  void hold(int32_t id) {
    const std::lock_guard lock(mutex_);
    held_.insert(id);
  }
  void open(int32_t id) {
    {
      const std::lock_guard lock(mutex_);
      held_.erase(id);
    }
    opened_.notify_all();
  }
  void pass(int32_t id) {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [&] { return !held_.contains(id); });
  }

  // The same for the chunks of a long text, known by their first row; on any device.
  void hold_row(int64_t row) { hold(row_id(row)); }
  void open_row(int64_t row) { open(row_id(row)); }
  void pass_row(int64_t row) { pass(row_id(row)); }

 private:
  static int32_t row_id(int64_t row) { return static_cast<int32_t>(-1 - row); }

  std::mutex mutex_;
  std::condition_variable opened_;
  std::set<int32_t> held_;
};

constexpr int kTableRows = 64;

// What a test wants to be told of.
struct Watch {
  // Called on the computing thread with the id of a shard's (or a chunk's) first token, once its
  // hidden states are there; on devices where the host can read both.
  std::function<void(int32_t first_id)> computed = {};
  // Called on the device thread with the first row of every chunk of a long text, once the chunk is
  // enqueued.
  std::function<void(int64_t row)> enqueued = {};
};

class TableModel final : public models::Model {
 public:
  TableModel(TensorView table, Watch watch) : table_(table), watch_(std::move(watch)) {}

  std::vector<models::ModuleChoice> choices() const override { return {}; }
  TensorView forward(ops::OpContext& context, const layers::TokenBatch& batch) const override {
    const TensorView x = context.arena.allocate(DType::kF32, {batch.tokens(), 2});
    layers::for_each_chunk(context, batch.tokens(), [&](const layers::Rows& rows) {
      const TensorView ids = rows.of(batch.ids);
      ops::embedding_sum(context, {.ids = ids, .word_table = table_, .out = rows.of(x)});
      if (context.measuring) return;
      const bool readable = context.stream.device().host_addressable();
      if (readable && watch_.computed) watch_.computed(*ids.as<const int32_t>());
      if (context.chunk_rows > 0 && watch_.enqueued) watch_.enqueued(rows.begin);
    });
    return x;
  }

 private:
  TensorView table_;
  Watch watch_;
};

class MeanHead final : public heads::Head {
 public:
  heads::Rows rows() const override { return heads::Rows::kPerSequence; }
  int64_t columns() const override { return 2; }
  void forward(ops::OpContext& context, const TensorView& hidden, const layers::TokenBatch& batch,
               const TensorView& out) const override {
    ops::pooling(
        context,
        {.hidden = hidden, .cu_seqlens = batch.cu_seqlens, .skip = batch.skip, .out = out});
  }
};

inline std::shared_ptr<const LoadedModel> load_table_model(const std::shared_ptr<Device>& device,
                                                           const ops::OpTable& ops,
                                                           Watch watch = {}) {
  auto loaded = std::make_shared<LoadedModel>();
  layers::LoadContext context{.device = device, .ops = ops, .store = &loaded->store};
  std::vector<float> rows;
  for (int id = 0; id < kTableRows; ++id) {
    rows.push_back(static_cast<float>(id));
    rows.push_back(static_cast<float>(100 + id));
  }
  const TensorView table =
      layers::load_f32(context, TensorView::contiguous(rows.data(), DType::kF32, {kTableRows, 2}))
          .value();
  loaded->model = std::make_unique<TableModel>(table, std::move(watch));
  const heads::Head* mean = loaded->add(std::make_unique<MeanHead>());
  const heads::Head* states = loaded->add(std::make_unique<heads::HiddenHead>(2));
  loaded->tasks = {{.task = Task::kEmbed, .parts = {mean}},
                   {.task = Task::kHidden, .parts = {states}},
                   {.task = Task::kHybrid, .parts = {mean, states}}};
  return loaded;
}

// Where the texts begin, counted in tokens: cu_seqlens.
inline std::vector<int32_t> starts_of(const Texts& texts) {
  std::vector<int32_t> starts = {0};
  for (const auto& text : texts)
    starts.push_back(starts.back() + static_cast<int32_t>(text.size()));
  return starts;
}

// Packs the texts into the block, `texts_per_shard` to a shard.
inline schema::ModelInput pack(const Texts& texts, Task task, std::span<int32_t> block,
                               size_t texts_per_shard = SIZE_MAX) {
  const std::vector<int32_t> starts = starts_of(texts);
  schema::ModelInput input{.block = block,
                           .tokens = starts.back(),
                           .sequences = static_cast<int64_t>(texts.size()),
                           .segments = static_cast<int64_t>(texts.size()),
                           .task = task,
                           .shards = {}};
  std::fill(block.begin(), block.end(), 0);
  int32_t* ids = block.data() + input.ids_offset();
  for (const auto& text : texts) ids = std::copy(text.begin(), text.end(), ids);
  for (size_t begin = 0; begin < texts.size();) {
    const size_t count = std::min(texts_per_shard, texts.size() - begin);
    schema::Shard shard{.token_begin = starts[begin],
                        .tokens = starts[begin + count] - starts[begin],
                        .sequence_begin = static_cast<int64_t>(begin),
                        .sequences = static_cast<int64_t>(count),
                        .segment_begin = static_cast<int64_t>(begin),
                        .cu_seqlens_begin = static_cast<int64_t>(begin + input.shards.size())};
    int32_t* cu_seqlens = block.data() + input.cu_seqlens_offset() + shard.cu_seqlens_begin;
    for (size_t i = 0; i <= count; ++i) cu_seqlens[i] = starts[begin + i] - starts[begin];
    input.shards.push_back(shard);
    begin += count;
  }
  return input;
}

inline std::vector<float> expected_rows(const Texts& texts, Task task) {
  std::vector<float> rows;
  for (const auto& text : texts) {
    float sum = 0;
    for (const int32_t id : text) {
      sum += static_cast<float>(id);
      if (task == Task::kHidden) {
        rows.push_back(static_cast<float>(id));
        rows.push_back(static_cast<float>(100 + id));
      }
    }
    if (task == Task::kHidden) continue;
    rows.push_back(sum / static_cast<float>(text.size()));
    rows.push_back(100 + rows.back());
  }
  return rows;
}

}  // namespace wde::execution::test
