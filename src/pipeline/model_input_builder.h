// Packs a batch into the ragged block that a device takes: no padding, positions and token types as
// the model counts them, cut into shards as the device likes them. Engine thread; writes into the
// slot's (pinned) host memory and allocates nothing but the list of shards.
#pragma once

#include <span>
#include <vector>

#include "schema/schema.h"

namespace wde::pipeline {

// How a device wants its batches: on a CPU, shards of a few hundred tokens that each go through all
// layers on one core, so that activations stay in its cache; on others one shard.
struct ShardPolicy {
  int lanes = 1;                 // shards that the worker computes at once
  int64_t shard_tokens = 0;      // aimed at; 0: the whole batch is one shard
  int64_t max_shard_tokens = 0;  // never exceeded; at least the longest sequence
};

// A task whose answers depend on the hidden state of each text's last token alone, of a model whose
// tokens see earlier ones only: texts that begin with the same tokens compute them once.
struct PrefixSharing {
  Task task;
  int32_t passed_over = -1;  // an id that is not taken for the last token; -1: none
};

struct ModelInputOptions {
  std::vector<PrefixSharing> prefix_sharing;
  int prefix_unit = 1;      // a shared prefix has a multiple of so many tokens
  int position_offset = 0;  // of a sequence's first token (RoBERTa: pad_id + 1)
  int padding_id = -1;  // a token that stands at position_offset - 1 and is not counted; or none
  int type_vocab_size = 0;  // 0: the model has no token types
  ShardPolicy shards;
  int64_t chunk_rows = 0;  // of a long text that are computed at a time
};

class ModelInputBuilder {
 public:
  explicit ModelInputBuilder(ModelInputOptions options) : options_(options) {}

  // Sorts the batch's requests by length (longest first, so that shards even out; those that share
  // a prefix together, before the rest) and packs them into `block` (ModelInput::capacity
  // elements). The ids are inside the embedding table: the request processor saw to it.
  schema::ModelInput build(schema::Batch* batch, std::span<int32_t> block) const;

 private:
  void write_shard(const schema::Batch& batch, const schema::Shard& shard,
                   schema::ModelInput* input) const;
  // Tokens [begin, end) of the request, from `row` of the batch on; returns the row behind them.
  int64_t write_tokens(const schema::SchedulableRequest& request, size_t begin, size_t end,
                       int64_t row, const schema::ModelInput& input) const;

  ModelInputOptions options_;
};

// Cuts sequences of these lengths, in order, into shards nearly equal in tokens: a multiple of
// `lanes` where there are enough sequences; one alone (for the ops to split) where there are fewer
// sequences than lanes.
std::vector<schema::Shard> plan_shards(std::span<const int32_t> lengths, const ShardPolicy& policy);

}  // namespace wde::pipeline
