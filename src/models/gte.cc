#include "models/gte.h"

#include <fmt/format.h>

#include "base/status.h"
#include "models/block_weights.h"
#include "models/config_fields.h"
#include "models/post_norm_encoder.h"

namespace wde::models {
namespace {

constexpr char kWords[] = "embeddings.word_embeddings.weight";

// What the hub's checkpoints call a block's modules, and what transformers 5 does.
struct BlockNames {
  std::string_view block;
  AttentionNames attention;
  std::string_view attention_norm, output_norm;
};
constexpr BlockNames kHub = {
    .block = "encoder.layer.",
    .attention = {.packed = "attention.qkv_proj", .output = "attention.o_proj"},
    .attention_norm = "attn_ln",
    .output_norm = "mlp_ln"};
constexpr BlockNames kHubUnpacked = {.block = "encoder.layer.",
                                     .attention = {.query = "attention.q_proj",
                                                   .key = "attention.k_proj",
                                                   .value = "attention.v_proj",
                                                   .output = "attention.o_proj"},
                                     .attention_norm = "attn_ln",
                                     .output_norm = "mlp_ln"};
constexpr BlockNames kTransformers = {.block = "layers.",
                                      .attention = {.query = "self_attn.q_proj",
                                                    .key = "self_attn.k_proj",
                                                    .value = "self_attn.v_proj",
                                                    .output = "self_attn.o_proj"},
                                      .attention_norm = "post_attention_layernorm",
                                      .output_norm = "post_mlp_layernorm"};

const BlockNames& names_of(const Weights& weights) {
  if (weights.has("layers.0.self_attn.q_proj.weight")) return kTransformers;
  return weights.has("encoder.layer.0.attention.q_proj.weight") ? kHubUnpacked : kHub;
}

Result<layers::GatedMlp::Weights> mlp_weights(const GteConfig& config, const Weights& weights,
                                              const BlockWeights& block) {
  if (weights.has(block.name("mlp.gate_proj.weight"))) {
    return block.gated_mlp(GateNames{.gate = "mlp.gate_proj",
                                     .up = "mlp.up_proj",
                                     .down = "mlp.down_proj",
                                     .gate_bias = Bias::kAbsent},
                           config.hidden_size, config.intermediate_size);
  }
  return block.gated_mlp(PackedGateNames{.gate_and_up = "mlp.up_gate_proj",
                                         .order = ops::GateOrder::kUpFirst,
                                         .down = "mlp.down_proj",
                                         .gate_bias = Bias::kAbsent},
                         config.hidden_size, config.intermediate_size);
}

Result<layers::EncoderBlock> load_block(
    const GteConfig& config, const Weights& weights, int64_t l,
    const std::shared_ptr<const layers::RotaryEmbedding>& rotary, layers::LoadContext& context) {
  const int64_t C = config.hidden_size;
  const float epsilon = config.layer_norm_epsilon;
  const BlockNames& names = names_of(weights);
  const BlockWeights block_weights(weights, fmt::format("{}{}.", names.block, l));
  const AttentionShape shape{.hidden_size = C,
                             .heads = config.heads,
                             .kv_heads = config.heads,
                             .head_size = C / config.heads};
  layers::EncoderBlock block;
  WDE_ASSIGN_OR_RETURN(const auto attention, block_weights.attention(names.attention, shape));
  WDE_ASSIGN_OR_RETURN(block.attention,
                       layers::SelfAttention::load(
                           context, attention, bidirectional_attention(context, shape), rotary));
  WDE_ASSIGN_OR_RETURN(block.attention_norm,
                       block_weights.layer_norm(context, names.attention_norm, C, epsilon));
  WDE_ASSIGN_OR_RETURN(const auto mlp, mlp_weights(config, weights, block_weights));
  WDE_ASSIGN_OR_RETURN(block.feed_forward, layers::GatedMlp::load(context, mlp, config.activation));
  WDE_ASSIGN_OR_RETURN(block.output_norm,
                       block_weights.layer_norm(context, names.output_norm, C, epsilon));
  return block;
}

}  // namespace

Result<GteConfig> GteConfig::from_json(const json::object& config) {
  GteConfig gte;
  WDE_ASSIGN_OR_RETURN(const std::string type, json::get_string(config, "model_type", "new"));
  const bool hub = type != "gte";  // whose defaults hold
  WDE_ASSIGN_OR_RETURN(gte.layers, get_size(config, "num_hidden_layers"));
  WDE_ASSIGN_OR_RETURN(gte.hidden_size, get_size(config, "hidden_size"));
  WDE_ASSIGN_OR_RETURN(gte.intermediate_size, get_size(config, "intermediate_size"));
  WDE_ASSIGN_OR_RETURN(gte.heads, get_size(config, "num_attention_heads"));
  WDE_ASSIGN_OR_RETURN(gte.vocab_size, get_size(config, "vocab_size"));
  WDE_ASSIGN_OR_RETURN(gte.max_positions, get_size(config, "max_position_embeddings", 8192));
  WDE_ASSIGN_OR_RETURN(gte.type_vocab_size,
                       get_int_in(config, "type_vocab_size", hub ? 2 : 1, {0, 1024}));
  WDE_ASSIGN_OR_RETURN(gte.layer_norm_epsilon, get_epsilon(config, "layer_norm_eps", 1e-12));
  WDE_ASSIGN_OR_RETURN(gte.activation, get_activation(config, "hidden_act", "gelu"));
  WDE_ASSIGN_OR_RETURN(const int64_t head_size, divide_heads({"hidden_size", gte.hidden_size},
                                                             {"num_attention_heads", gte.heads}));
  WDE_RETURN_IF_ERROR(expect_string(config, "layer_norm_type", "layer_norm"));
  WDE_RETURN_IF_ERROR(expect_bool(config, "logn_attention_scale", false));
  WDE_RETURN_IF_ERROR(expect_encoder(config));
  WDE_ASSIGN_OR_RETURN(const std::string positions,
                       json::get_string(config, "position_embedding_type", "rope"));
  gte.rotary = positions == "rope";
  if (!gte.rotary && (positions != "absolute" || !hub)) {
    return unsupported_error("position_embedding_type \"{}\" is not supported; \"rope\" is",
                             positions);
  }
  WDE_ASSIGN_OR_RETURN(gte.rope, layers::parse_rope(config, {.head_size = head_size,
                                                             .max_positions = gte.max_positions,
                                                             .theta = hub ? 10000.0 : 160000.0}));
  return gte;
}

Result<ModelTraits> GteModel::traits(const json::object& json) {
  WDE_ASSIGN_OR_RETURN(const GteConfig config, GteConfig::from_json(json));
  return post_norm_traits(config);
}

Result<std::unique_ptr<Model>> GteModel::load(const json::object& json,
                                              const checkpoint::WeightSource& source,
                                              layers::LoadContext& context) {
  WDE_ASSIGN_OR_RETURN(const GteConfig config, GteConfig::from_json(json));
  const bool new_prefix = source.has(std::string("new.") + kWords);
  const Weights weights(source, new_prefix ? "new." : "gte.", kWords);
  const int64_t C = config.hidden_size;
  WDE_ASSIGN_OR_RETURN(
      PostNormEncoder::Parts parts,
      load_embeddings(weights, {config.vocab_size, config.type_vocab_size, config.hidden_size},
                      "embeddings.LayerNorm", config.layer_norm_epsilon, context));
  std::shared_ptr<const layers::RotaryEmbedding> rotary;
  if (config.rotary) {
    WDE_ASSIGN_OR_RETURN(rotary, layers::RotaryEmbedding::load(
                                     context, config.rope, C / config.heads, config.max_positions));
  } else {
    WDE_ASSIGN_OR_RETURN(
        const auto positions,
        weights.tensor("embeddings.position_embeddings.weight", {config.max_positions, C}));
    WDE_ASSIGN_OR_RETURN(parts.position_embeddings, layers::load_table(context, positions));
  }
  for (int64_t l = 0; l < config.layers; ++l) {
    WDE_ASSIGN_OR_RETURN(layers::EncoderBlock block,
                         load_block(config, weights, l, rotary, context));
    parts.blocks.push_back(std::move(block));
  }
  return std::unique_ptr<Model>(std::make_unique<PostNormEncoder>(context.dtype, std::move(parts)));
}

}  // namespace wde::models
