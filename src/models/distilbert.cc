#include "models/distilbert.h"

#include "base/status.h"
#include "models/config_fields.h"

namespace wde::models {
namespace {

constexpr BertNames kNames = {.prefix = "distilbert.",
                              .projection = {},
                              .layer = "transformer.layer.",
                              .inner_layer = {},
                              .query = "attention.q_lin",
                              .key = "attention.k_lin",
                              .value = "attention.v_lin",
                              .attention_output = "attention.out_lin",
                              .attention_norm = "sa_layer_norm",
                              .up = "ffn.lin1",
                              .down = "ffn.lin2",
                              .output_norm = "output_layer_norm"};

}  // namespace

Result<BertConfig> read_distilbert_config(const json::object& config) {
  BertConfig distilbert{.names = kNames};
  WDE_ASSIGN_OR_RETURN(distilbert.layers, get_size(config, "n_layers"));
  WDE_ASSIGN_OR_RETURN(distilbert.hidden_size, get_size(config, "dim"));
  WDE_ASSIGN_OR_RETURN(distilbert.intermediate_size, get_size(config, "hidden_dim"));
  WDE_ASSIGN_OR_RETURN(distilbert.heads, get_size(config, "n_heads"));
  WDE_ASSIGN_OR_RETURN(distilbert.vocab_size, get_size(config, "vocab_size"));
  WDE_ASSIGN_OR_RETURN(distilbert.max_positions, get_size(config, "max_position_embeddings"));
  WDE_ASSIGN_OR_RETURN(distilbert.activation, get_activation(config, "activation", "gelu"));
  WDE_RETURN_IF_ERROR(
      divide_heads({"dim", distilbert.hidden_size}, {"n_heads", distilbert.heads}).status());
  WDE_RETURN_IF_ERROR(expect_encoder(config));
  distilbert.embedding_size = distilbert.hidden_size;
  // The norms' epsilon is the default: no field sets it. Nor is sinusoidal_pos_embds looked at: the
  // checkpoint holds the table either way.
  return distilbert;
}

}  // namespace wde::models
