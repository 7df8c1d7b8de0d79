#include "models/mpnet.h"

#include "base/status.h"
#include "models/config_fields.h"

namespace wde::models {
namespace {

constexpr BertNames kNames = {.prefix = "mpnet.",
                              .projection = {},
                              .distance_bias = "encoder.relative_attention_bias",
                              .inner_layer = {},
                              .query = "attention.attn.q",
                              .key = "attention.attn.k",
                              .value = "attention.attn.v",
                              .attention_output = "attention.attn.o",
                              .attention_norm = "attention.LayerNorm"};

// transformers' MPNetModel computes with these, whatever config.json says.
constexpr int64_t kBuckets = 32;
constexpr int64_t kPaddingId = 1;

}  // namespace

Result<BertConfig> read_mpnet_config(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(BertConfig mpnet, BertConfig::from_json(config));
  mpnet.names = kNames;
  mpnet.type_vocab_size = 0;
  WDE_ASSIGN_OR_RETURN(const int64_t buckets,
                       json::get_int(config, "relative_attention_num_buckets", kBuckets));
  if (buckets != kBuckets) {
    return unsupported_error("relative_attention_num_buckets {} is not supported; {} is", buckets,
                             kBuckets);
  }
  mpnet.buckets = {.buckets = kBuckets, .max_distance = 128};
  mpnet.padding_id = kPaddingId;
  mpnet.position_offset = kPaddingId + 1;
  if (mpnet.position_offset >= mpnet.max_positions) {
    return data_loss_error("max_position_embeddings {} leaves no position behind the padding's",
                           mpnet.max_positions);
  }
  return mpnet;
}

}  // namespace wde::models
