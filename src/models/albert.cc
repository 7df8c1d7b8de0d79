#include "models/albert.h"

#include "base/status.h"
#include "models/config_fields.h"

namespace wde::models {
namespace {

constexpr BertNames kNames = {.prefix = "albert.",
                              .projection = "encoder.embedding_hidden_mapping_in",
                              .layer = "encoder.albert_layer_groups.",
                              .inner_layer = "albert_layers.",
                              .query = "attention.query",
                              .key = "attention.key",
                              .value = "attention.value",
                              .attention_output = "attention.dense",
                              .attention_norm = "attention.LayerNorm",
                              .up = "ffn",
                              .down = "ffn_output",
                              .output_norm = "full_layer_layer_norm"};

}  // namespace

Result<BertConfig> read_albert_config(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(BertConfig albert, read_bert_config(config, {.activation = "gelu_new"}));
  albert.names = kNames;
  WDE_ASSIGN_OR_RETURN(albert.embedding_size, get_size(config, "embedding_size", 128));
  WDE_ASSIGN_OR_RETURN(albert.groups, get_int_in(config, "num_hidden_groups", 1,
                                                 {.least = 1, .most = albert.layers}));
  WDE_ASSIGN_OR_RETURN(albert.inner_layers,
                       get_int_in(config, "inner_group_num", 1, {.least = 1, .most = 1024}));
  return albert;
}

}  // namespace wde::models
