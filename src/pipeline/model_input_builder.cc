#include "pipeline/model_input_builder.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "base/status.h"
#include "pipeline/prefix_groups.h"

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

namespace {

using Requests = std::span<schema::SchedulableRequest>;

// Beside its prefix, a shard should have so many times as many tokens of its own.
constexpr int64_t kOwnTokensPerPrefixToken = 16;

void sort_by_length(Requests requests) {
  std::stable_sort(requests.begin(), requests.end(),
                   [](const auto& a, const auto& b) { return a.tokens() > b.tokens(); });
}

// Shards of these requests, the first `shared` tokens of which are the same, behind those that
// there are. Each shard computes the prefix once.
void append_shards(Requests requests, int32_t shared, const ShardPolicy& policy,
                   schema::ModelInput* input) {
  std::vector<int32_t> own;
  own.reserve(requests.size());
  for (const auto& request : requests) own.push_back(request.tokens() - shared);
  ShardPolicy beside_prefix = policy;
  if (policy.shard_tokens > 0) {
    beside_prefix.shard_tokens = std::max(policy.shard_tokens, kOwnTokensPerPrefixToken * shared);
    beside_prefix.max_shard_tokens = policy.max_shard_tokens - shared;
  }
  for (schema::Shard& shard : plan_shards(own, beside_prefix)) {
    // Alone, a text is computed as it is.
    shard.prefix_tokens = shard.sequences > 1 ? shared : 0;
    shard.tokens += shared;
    shard.max_seqlen += shared;
    shard.token_begin = input->tokens;
    shard.sequence_begin = input->sequences;
    shard.segment_begin = input->segments;
    shard.cu_seqlens_begin = input->segments + static_cast<int64_t>(input->shards.size());
    input->tokens += shard.tokens;
    input->sequences += shard.sequences;
    input->segments += shard.segments();
    input->shards.push_back(shard);
  }
}

// Groups that share a prefix, each in shards of its own, then the rest.
void append_groups(std::vector<schema::SchedulableRequest>* requests, int unit, int32_t passed_over,
                   const ShardPolicy& policy, schema::ModelInput* input) {
  std::vector<schema::SchedulableRequest> ordered, alone;
  ordered.reserve(requests->size());
  for (const PrefixGroup& group : group_by_prefix(*requests, unit, passed_over)) {
    auto& to = group.shared > 0 ? ordered : alone;
    const size_t begin = to.size();
    for (size_t i = 0; i < group.count; ++i) to.push_back(std::move((*requests)[group.first + i]));
    if (group.shared == 0) continue;
    const Requests members = Requests(to).subspan(begin);
    sort_by_length(members);
    append_shards(members, group.shared, policy, input);
  }
  sort_by_length(alone);
  if (!alone.empty()) append_shards(alone, 0, policy, input);
  std::move(alone.begin(), alone.end(), std::back_inserter(ordered));
  *requests = std::move(ordered);
}

}  // namespace

schema::ModelInput ModelInputBuilder::build(schema::Batch* batch, std::span<int32_t> block) const {
  auto& requests = batch->requests;
  schema::ModelInput input;
  input.block = block;
  input.task = requests.front().task;
  input.adapter = requests.front().adapter;
  input.chunk_rows = batch->long_text ? options_.chunk_rows : 0;
  const auto& sharing = options_.prefix_sharing;
  const auto shares = std::find_if(sharing.begin(), sharing.end(), [&](const PrefixSharing& entry) {
    return entry.task == input.task;
  });
  if (shares != sharing.end()) {
    append_groups(&requests, options_.prefix_unit, shares->passed_over, options_.shards, &input);
  } else {
    sort_by_length(requests);
    append_shards(requests, 0, options_.shards, &input);
  }
  WDE_CHECK(input.used() <= block.size());
  for (const schema::Shard& shard : input.shards) write_shard(*batch, shard, &input);
  return input;
}

void ModelInputBuilder::write_shard(const schema::Batch& batch, const schema::Shard& shard,
                                    schema::ModelInput* input) const {
  int32_t* block = input->block.data();
  const auto shared = static_cast<size_t>(shard.prefix_tokens);
  const auto sequence_begin = static_cast<size_t>(shard.sequence_begin);
  int32_t* cu_seqlens = block + input->cu_seqlens_offset() + shard.cu_seqlens_begin;
  int32_t* continues = block + input->continues_offset() + shard.segment_begin;
  *cu_seqlens = 0;
  int64_t row = shard.token_begin;
  const auto end_segment = [&](bool continues_prefix) {
    *++cu_seqlens = static_cast<int32_t>(row - shard.token_begin);
    if (input->shares_prefixes()) *continues++ = continues_prefix ? 0 : -1;
  };
  if (shared > 0) {
    row = write_tokens(batch.requests[sequence_begin], 0, shared, row, *input);
    end_segment(false);
  }
  for (size_t b = sequence_begin; b < sequence_begin + static_cast<size_t>(shard.sequences); ++b) {
    const schema::SchedulableRequest& request = batch.requests[b];
    row = write_tokens(request, shared, request.ids.size(), row, *input);
    end_segment(shared > 0);
    block[input->skip_offset() + b] =
        std::max(0, request.pooling_skip - static_cast<int32_t>(shared));
    block[input->keys_offset() + b] = request.attended > 0 ? request.attended : request.tokens();
    input->limits_keys = input->limits_keys || request.attended > 0;
  }
}

int64_t ModelInputBuilder::write_tokens(const schema::SchedulableRequest& request, size_t begin,
                                        size_t end, int64_t row,
                                        const schema::ModelInput& input) const {
  int32_t* ids = input.block.data() + input.ids_offset();
  int32_t* positions = input.block.data() + input.positions_offset();
  int32_t* type_ids = input.block.data() + input.type_ids_offset();
  int32_t position = options_.position_offset;
  for (size_t i = 0; i < end; ++i) {
    const bool is_padding = request.ids[i] == options_.padding_id;
    const int32_t here = is_padding ? options_.position_offset - 1 : position++;
    if (i < begin) continue;
    const int32_t type = request.type_ids[i];
    ids[row] = request.ids[i];
    positions[row] = here;
    type_ids[row] = type < options_.type_vocab_size ? type : 0;
    ++row;
  }
  return row;
}

}  // namespace wde::pipeline
