#include "pipeline/model_input_builder.h"

#include <algorithm>
#include <numeric>

#include "base/status.h"

namespace wde::pipeline {

namespace {

// How many shards to aim at.
int64_t shard_count(int64_t tokens, int64_t sequences, const ShardPolicy& policy) {
  if (policy.shard_tokens <= 0 || sequences < policy.lanes) return 1;
  const int64_t wanted =
      std::max<int64_t>(1, (tokens + policy.shard_tokens - 1) / policy.shard_tokens);
  return std::min(sequences, (wanted + policy.lanes - 1) / policy.lanes * policy.lanes);
}

}  // namespace

std::vector<schema::Shard> plan_shards(std::span<const int32_t> lengths,
                                       const ShardPolicy& policy) {
  int64_t remaining = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  const int64_t count = shard_count(remaining, static_cast<int64_t>(lengths.size()), policy);
  std::vector<schema::Shard> shards;
  shards.reserve(static_cast<size_t>(count));
  size_t sequence = 0;
  int64_t token = 0;
  while (sequence < lengths.size()) {
    const auto index = static_cast<int64_t>(shards.size());
    // What this shard should hold so that the rest divides evenly over the shards after it.
    const int64_t goal = remaining / std::max<int64_t>(1, count - index);
    schema::Shard shard;
    shard.token_begin = token;
    shard.sequence_begin = static_cast<int64_t>(sequence);
    shard.cu_seqlens_begin = shard.sequence_begin + index;
    for (; sequence < lengths.size(); ++sequence) {
      const int64_t with = shard.tokens + lengths[sequence];
      if (shard.sequences > 0) {
        if (policy.max_shard_tokens > 0 && with > policy.max_shard_tokens) break;
        // Past the goal: this sequence belongs here only if that lands nearer to the goal.
        if (index + 1 < count && with > goal && with - goal >= goal - shard.tokens) break;
      }
      shard.tokens = with;
      shard.max_seqlen = std::max(shard.max_seqlen, static_cast<int>(lengths[sequence]));
      ++shard.sequences;
    }
    token += shard.tokens;
    remaining -= shard.tokens;
    shards.push_back(shard);
  }
  return shards;
}

schema::ModelInput ModelInputBuilder::build(schema::Batch* batch, std::span<int32_t> block) const {
  auto& requests = batch->requests;
  std::stable_sort(requests.begin(), requests.end(),
                   [](const auto& a, const auto& b) { return a.tokens() > b.tokens(); });
  schema::ModelInput input;
  input.block = block;
  input.tokens = batch->tokens;
  input.sequences = static_cast<int64_t>(requests.size());
  input.task = requests.front().task;
  input.adapter = requests.front().adapter;
  std::vector<int32_t> lengths;
  lengths.reserve(requests.size());
  for (const auto& request : requests) lengths.push_back(request.tokens());
  input.shards = plan_shards(lengths, options_.shards);
  WDE_CHECK(input.used() <= block.size());

  int32_t* ids = block.data() + input.ids_offset();
  int32_t* positions = block.data() + input.positions_offset();
  int32_t* type_ids = block.data() + input.type_ids_offset();
  int32_t* skip = block.data() + input.skip_offset();
  int32_t* keys = block.data() + input.keys_offset();
  for (const auto& request : requests) {
    int32_t position = options_.position_offset;
    for (size_t i = 0; i < request.ids.size(); ++i) {
      const int32_t type = request.type_ids[i];
      *ids++ = request.ids[i];
      *positions++ =
          request.ids[i] == options_.padding_id ? options_.position_offset - 1 : position++;
      *type_ids++ = type < options_.type_vocab_size ? type : 0;
    }
    *skip++ = request.pooling_skip;
    *keys++ = request.attended > 0 ? request.attended : request.tokens();
    input.limits_keys = input.limits_keys || request.attended > 0;
  }
  for (const schema::Shard& shard : input.shards) {
    int32_t* cu_seqlens = block.data() + input.cu_seqlens_offset() + shard.cu_seqlens_begin;
    *cu_seqlens = 0;
    for (int64_t i = 0; i < shard.sequences; ++i, ++cu_seqlens) {
      cu_seqlens[1] = cu_seqlens[0] + lengths[static_cast<size_t>(shard.sequence_begin + i)];
    }
  }
  return input;
}

}  // namespace wde::pipeline
