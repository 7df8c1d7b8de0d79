#include "execution/runner.h"

#include <algorithm>

#include "base/status.h"

namespace wde::execution {
namespace {

TensorView i32_view(int32_t* data, int64_t count) {
  return TensorView::contiguous(data, DType::kI32, {count});
}

// The shard's sections of the block, as the model sees them.
layers::TokenBatch token_batch(const schema::ModelInput& input, const schema::Shard& shard,
                               int32_t* block) {
  const auto tokens_at = [&](size_t section) { return block + section + shard.token_begin; };
  const size_t cu_seqlens = input.cu_seqlens_offset() + static_cast<size_t>(shard.cu_seqlens_begin);
  const auto segments = static_cast<size_t>(shard.segments());
  layers::TokenBatch batch{
      .ids = i32_view(tokens_at(input.ids_offset()), shard.tokens),
      .positions = i32_view(tokens_at(input.positions_offset()), shard.tokens),
      .type_ids = i32_view(tokens_at(input.type_ids_offset()), shard.tokens),
      .skip = i32_view(block + input.skip_offset() + shard.sequence_begin, shard.sequences),
      .cu_seqlens = i32_view(block + cu_seqlens, shard.segments() + 1),
      .host_cu_seqlens = input.block.subspan(cu_seqlens, segments + 1),
      .max_seqlen = shard.max_seqlen,
      .adapter = input.adapter};
  if (shard.prefixes() > 0) {
    const size_t continues = input.continues_offset() + static_cast<size_t>(shard.segment_begin);
    batch.continues = i32_view(block + continues, shard.segments());
    batch.host_continues = input.block.subspan(continues, segments);
  }
  if (!input.limits_keys) return batch;
  const size_t keys = input.keys_offset() + static_cast<size_t>(shard.sequence_begin);
  batch.key_counts = i32_view(block + keys, shard.sequences);
  batch.host_key_counts = input.block.subspan(keys, static_cast<size_t>(shard.sequences));
  return batch;
}

// Of the same tokens, the sequences that heads answer: all but the prefix.
layers::TokenBatch without_prefix(layers::TokenBatch batch, int64_t prefixes) {
  if (prefixes == 0) return batch;
  auto* boundaries = batch.cu_seqlens.as<int32_t>() + prefixes;
  batch.cu_seqlens = i32_view(boundaries, batch.cu_seqlens.rows() - prefixes);
  batch.host_cu_seqlens = batch.host_cu_seqlens.subspan(static_cast<size_t>(prefixes));
  batch.continues = {};
  batch.host_continues = {};
  return batch;
}

}  // namespace

size_t measure_workspace_bytes(const LoadedModel& model, const ops::OpTable& ops, Device& device,
                               const ShardLimits& limits, int threads) {
  // Shapes are all that a dry run looks at: its inputs and outputs lie where nothing is.
  const int64_t B = std::max<int64_t>(1, std::min(limits.sequences, limits.tokens));
  Arena nowhere = Arena::measuring();
  const auto i32 = [&](int64_t count) { return nowhere.allocate(DType::kI32, {count}); };
  const layers::TokenBatch batch{
      .ids = i32(limits.tokens),
      .positions = i32(limits.tokens),
      .type_ids = i32(limits.tokens),
      .skip = i32(B),
      .cu_seqlens = i32(B + 1),
      .max_seqlen = static_cast<int>(std::min(limits.max_length, limits.tokens))};
  const std::unique_ptr<Stream> stream = device.create_stream();
  ThreadPool pool(threads);
  size_t high_water_bytes = 0;
  // The heads of one task run one after the other, each in what the one before it has left.
  for (const auto& head : model.heads) {
    Arena arena = Arena::measuring();
    ops::OpContext context{.stream = *stream,
                           .ops = ops,
                           .arena = arena,
                           .pool = &pool,
                           .measuring = true,
                           .chunk_rows = limits.chunk_rows};
    const TensorView hidden = model.model->forward(context, batch);
    const int64_t rows = head->rows() == heads::Rows::kPerToken ? limits.tokens : B;
    head->forward(context, hidden, batch, nowhere.allocate(DType::kF32, {rows, head->columns()}));
    high_water_bytes = std::max(high_water_bytes, arena.high_water_bytes());
  }
  return high_water_bytes;
}

ArenaSizes measure_arenas(const LoadedModel& model, const ops::OpTable& ops, Device& device,
                          const PassLimits& limits, int threads) {
  constexpr size_t kPageBytes = 4096;
  const auto measure = [&](const ShardLimits& pass) -> size_t {
    if (pass.tokens == 0) return 0;
    const size_t bytes = measure_workspace_bytes(model, ops, device, pass, threads);
    return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  };
  return {.lane_bytes = std::max(kPageBytes, measure(limits.shard)),
          .long_text_bytes = measure(limits.long_text)};
}

int64_t max_output_floats(const LoadedModel& model, int64_t max_batch_tokens,
                          int64_t max_batch_requests) {
  int64_t largest = 0;
  for (const TaskHeads& task : model.tasks) {
    int64_t floats = 0;
    for (const heads::Head* head : task.parts) {
      const bool per_token = head->rows() == heads::Rows::kPerToken;
      floats += (per_token ? max_batch_tokens : max_batch_requests) * head->columns();
    }
    largest = std::max(largest, floats);
  }
  return largest;
}

Runner::Runner(Options options)
    : options_(std::move(options)), pool_(options_.threads, options_.first_core) {}

Result<std::unique_ptr<Runner>> Runner::create(Options options) {
  std::unique_ptr<Runner> runner(new Runner(std::move(options)));
  const Options& o = runner->options_;
  const ArenaSizes sizes = measure_arenas(*o.model, *o.ops, *o.device, o.limits, o.threads);
  WDE_ASSIGN_OR_RETURN(runner->workspace_, o.device->allocate(sizes.bytes(o.threads)));
  auto* base = static_cast<std::byte*>(runner->workspace_.data());
  for (int lane = 0; lane < o.threads; ++lane) {
    const size_t bytes = sizes.lane_bytes + (lane == 0 ? sizes.long_text_bytes : 0);
    runner->arenas_.emplace_back(base, bytes);
    base += bytes;
  }
  return runner;
}

void Runner::lay_out(const schema::ModelInput& input, std::vector<OutputPart>* parts) const {
  parts->clear();
  int64_t begin = 0;
  for (const heads::Head* head : options_.model->parts(input.task)) {
    const bool per_token = head->rows() == heads::Rows::kPerToken;
    parts->push_back({.begin = begin,
                      .rows = per_token ? input.tokens : input.sequences,
                      .columns = head->columns(),
                      .per_token = per_token});
    begin += parts->back().floats();
  }
}

void Runner::forward(Stream& compute, const schema::ModelInput& input, int32_t* device_block,
                     std::span<const OutputPart> parts, float* device_output,
                     const std::function<void()>* between_chunks) {
  if (input.shards.size() == 1) {
    ops::OpContext context{.stream = compute,
                           .ops = *options_.ops,
                           .arena = arenas_[0],
                           .pool = &pool_,
                           .chunk_rows = input.chunk_rows,
                           .between_chunks = input.chunk_rows > 0 ? between_chunks : nullptr,
                           .profile = options_.profile.get()};
    forward_shard(context, input, input.shards[0], device_block, parts, device_output);
    return;
  }
  // Each shard goes through all layers on one thread, so that its activations stay in that core's
  // cache.
  pool_.parallel_for(input.shards.size(), [&](size_t index, int thread) {
    ops::OpContext context{.stream = compute,
                           .ops = *options_.ops,
                           .arena = arenas_[static_cast<size_t>(thread)],
                           .profile = options_.profile.get()};
    forward_shard(context, input, input.shards[index], device_block, parts, device_output);
  });
}

void Runner::forward_shard(ops::OpContext& context, const schema::ModelInput& input,
                           const schema::Shard& shard, int32_t* device_block,
                           std::span<const OutputPart> parts, float* device_output) const {
  const Arena::Mark mark(context.arena);
  const layers::TokenBatch batch = token_batch(input, shard, device_block);
  const TensorView hidden = options_.model->model->forward(context, batch);
  const layers::TokenBatch answered = without_prefix(batch, shard.prefixes());
  const auto& heads = options_.model->parts(input.task);
  for (size_t i = 0; i < parts.size(); ++i) {
    const OutputPart& part = parts[i];
    const int64_t first_row = part.per_token ? shard.token_begin : shard.sequence_begin;
    const int64_t rows = part.per_token ? shard.tokens : shard.sequences;
    float* at = device_output + part.begin + first_row * part.columns;
    heads[i]->forward(context, hidden, answered,
                      TensorView::contiguous(at, DType::kF32, {rows, part.columns}));
  }
}

}  // namespace wde::execution
