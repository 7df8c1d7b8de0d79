#include "models/modernbert.h"

#include <fmt/format.h>

#include "base/status.h"
#include "models/block_weights.h"
#include "models/config_fields.h"
#include "models/pre_norm_encoder.h"

namespace wde::models {
namespace {

// Which blocks are local: "layer_types" by name, or every n-th is global, the first among them.
Result<std::vector<bool>> local_layers(const json::object& config, int64_t layers) {
  std::vector<bool> local(static_cast<size_t>(layers));
  WDE_ASSIGN_OR_RETURN(const json::array* types, json::get_array(config, "layer_types"));
  if (types == nullptr) {
    WDE_ASSIGN_OR_RETURN(const int64_t every, get_size(config, "global_attn_every_n_layers", 3));
    for (size_t l = 0; l < local.size(); ++l) local[l] = l % static_cast<size_t>(every) != 0;
    return local;
  }
  if (types->size() != local.size()) {
    return data_loss_error("\"layer_types\" has {} entries for {} layers", types->size(), layers);
  }
  for (size_t l = 0; l < local.size(); ++l) {
    const json::value& type = (*types)[l];
    const bool full = type == "full_attention";
    if (!full && type != "sliding_attention") {
      return unsupported_error(
          "layer_types \"{}\" is not supported; full_attention and sliding_attention are",
          type.is_string() ? std::string_view(type.get_string()) : "?");
    }
    local[l] = !full;
  }
  return local;
}

// "rope_parameters" has an object for each type of layer (transformers 5), or two thetas stand in
// the config itself (4), where a local one of null means the global one.
Status read_rope(const json::object& config, ModernBertConfig* modern) {
  const layers::RopeDefaults global{.head_size = modern->hidden_size / modern->heads,
                                    .max_positions = modern->max_positions,
                                    .theta = 160000.0};
  layers::RopeDefaults local = global;
  local.theta = 10000.0;
  WDE_ASSIGN_OR_RETURN(const json::object* parameters, json::get_object(config, "rope_parameters"));
  WDE_ASSIGN_OR_RETURN(const json::object* scaling, json::get_object(config, "rope_scaling"));
  const auto parse = [&](std::string_view type, const layers::RopeDefaults& defaults,
                         std::string_view theta) -> Result<layers::RopeConfig> {
    json::object own;
    if (parameters != nullptr) {
      WDE_ASSIGN_OR_RETURN(const json::object* found, json::get_object(*parameters, type));
      if (found != nullptr) own = *found;
    }
    if (scaling != nullptr) {
      for (const auto& [key, value] : *scaling) own[key] = value;
    }
    layers::RopeDefaults fallback = defaults;
    WDE_ASSIGN_OR_RETURN(fallback.theta, json::get_double(config, theta, defaults.theta));
    Result<layers::RopeConfig> rope = layers::parse_rope_parameters(own, fallback);
    if (!rope.ok()) return rope.status().with_context("rope_parameters or rope_scaling");
    return rope;
  };
  WDE_ASSIGN_OR_RETURN(modern->global_rope, parse("full_attention", global, "global_rope_theta"));
  const json::value* local_theta = config.if_contains("local_rope_theta");
  if (local_theta != nullptr && local_theta->is_null()) local.theta = modern->global_rope.theta;
  WDE_ASSIGN_OR_RETURN(modern->local_rope, parse("sliding_attention", local, "local_rope_theta"));
  return {};
}

struct Rotaries {
  std::shared_ptr<const layers::RotaryEmbedding> global, local;
};

Result<Rotaries> load_rotaries(const ModernBertConfig& config, layers::LoadContext& context) {
  const int64_t head_size = config.hidden_size / config.heads;
  Rotaries rotaries;
  WDE_ASSIGN_OR_RETURN(
      rotaries.global,
      layers::RotaryEmbedding::load(context, config.global_rope, head_size, config.max_positions));
  WDE_ASSIGN_OR_RETURN(
      rotaries.local,
      layers::RotaryEmbedding::load(context, config.local_rope, head_size, config.max_positions));
  return rotaries;
}

Result<layers::PreNormBlock> load_block(const ModernBertConfig& config, const Weights& weights,
                                        int64_t l, const Rotaries& rotaries,
                                        layers::LoadContext& context) {
  const int64_t C = config.hidden_size;
  const BlockWeights block_weights(weights, fmt::format("layers.{}.", l));
  const AttentionShape shape{.hidden_size = C,
                             .heads = config.heads,
                             .kv_heads = config.heads,
                             .head_size = C / config.heads};
  const bool local = config.local[static_cast<size_t>(l)];
  attention::AttentionProblem problem = bidirectional_attention(context, shape);
  if (local) problem.window_left = problem.window_right = config.window;

  layers::PreNormBlock block;
  // The embeddings are normalized already.
  if (l != 0) {
    WDE_ASSIGN_OR_RETURN(
        block.attention_norm,
        block_weights.layer_norm(context, "attn_norm", C, config.norm_epsilon, config.norm_bias));
  }
  WDE_ASSIGN_OR_RETURN(const auto attention,
                       block_weights.attention({.packed = "attn.Wqkv",
                                                .output = "attn.Wo",
                                                .projection_bias = config.attention_bias,
                                                .output_bias = config.attention_bias},
                                               shape));
  WDE_ASSIGN_OR_RETURN(block.attention,
                       layers::SelfAttention::load(context, attention, problem,
                                                   local ? rotaries.local : rotaries.global));
  WDE_ASSIGN_OR_RETURN(
      block.feed_forward_norm,
      block_weights.layer_norm(context, "mlp_norm", C, config.norm_epsilon, config.norm_bias));
  WDE_ASSIGN_OR_RETURN(const auto mlp,
                       block_weights.gated_mlp(PackedGateNames{.gate_and_up = "mlp.Wi",
                                                               .order = ops::GateOrder::kGateFirst,
                                                               .down = "mlp.Wo",
                                                               .gate_bias = config.mlp_bias,
                                                               .down_bias = config.mlp_bias},
                                               C, config.intermediate_size));
  WDE_ASSIGN_OR_RETURN(block.feed_forward, layers::GatedMlp::load(context, mlp, config.activation));
  return block;
}

}  // namespace

Result<ModernBertConfig> ModernBertConfig::from_json(const json::object& config) {
  ModernBertConfig modern;
  WDE_ASSIGN_OR_RETURN(modern.layers, get_size(config, "num_hidden_layers"));
  WDE_ASSIGN_OR_RETURN(modern.hidden_size, get_size(config, "hidden_size"));
  WDE_ASSIGN_OR_RETURN(modern.intermediate_size, get_size(config, "intermediate_size"));
  WDE_ASSIGN_OR_RETURN(modern.heads, get_size(config, "num_attention_heads"));
  WDE_ASSIGN_OR_RETURN(modern.vocab_size, get_size(config, "vocab_size"));
  WDE_ASSIGN_OR_RETURN(modern.max_positions, get_size(config, "max_position_embeddings", 8192));
  WDE_RETURN_IF_ERROR(
      divide_heads({"hidden_size", modern.hidden_size}, {"num_attention_heads", modern.heads})
          .status());
  WDE_ASSIGN_OR_RETURN(modern.norm_epsilon, get_epsilon(config, "norm_eps", 1e-5));
  WDE_ASSIGN_OR_RETURN(modern.activation, get_activation(config, "hidden_activation", "gelu"));
  WDE_ASSIGN_OR_RETURN(modern.norm_bias, get_bias(config, "norm_bias", Bias::kAbsent));
  WDE_ASSIGN_OR_RETURN(modern.attention_bias, get_bias(config, "attention_bias", Bias::kAbsent));
  WDE_ASSIGN_OR_RETURN(modern.mlp_bias, get_bias(config, "mlp_bias", Bias::kAbsent));
  WDE_ASSIGN_OR_RETURN(modern.local, local_layers(config, modern.layers));
  WDE_ASSIGN_OR_RETURN(const int64_t both_sides, get_size(config, "local_attention", 128));
  modern.window = both_sides / 2;
  WDE_RETURN_IF_ERROR(read_rope(config, &modern));
  return modern;
}

Result<ModelTraits> ModernBertModel::traits(const json::object& json) {
  WDE_ASSIGN_OR_RETURN(const ModernBertConfig config, ModernBertConfig::from_json(json));
  return ModelTraits{.hidden_size = static_cast<int>(config.hidden_size),
                     .vocab_size = static_cast<int>(config.vocab_size),
                     .type_vocab_size = 0,
                     .position_offset = 0,
                     .max_length = static_cast<int>(config.max_positions)};
}

Result<std::unique_ptr<Model>> ModernBertModel::load(const json::object& json,
                                                     const checkpoint::WeightSource& source,
                                                     layers::LoadContext& context) {
  WDE_ASSIGN_OR_RETURN(const ModernBertConfig config, ModernBertConfig::from_json(json));
  const Weights weights(source, "model.", "embeddings.tok_embeddings.weight");
  const BlockWeights outside(weights, "");
  const int64_t C = config.hidden_size;
  PreNormEncoder::Parts parts;

  WDE_ASSIGN_OR_RETURN(const auto words,
                       weights.tensor("embeddings.tok_embeddings.weight", {config.vocab_size, C}));
  WDE_ASSIGN_OR_RETURN(parts.word_embeddings, layers::load_table(context, words));
  WDE_ASSIGN_OR_RETURN(
      parts.embedding_norm,
      outside.layer_norm(context, "embeddings.norm", C, config.norm_epsilon, config.norm_bias));
  WDE_ASSIGN_OR_RETURN(const Rotaries rotaries, load_rotaries(config, context));
  for (int64_t l = 0; l < config.layers; ++l) {
    WDE_ASSIGN_OR_RETURN(layers::PreNormBlock block,
                         load_block(config, weights, l, rotaries, context));
    parts.blocks.push_back(std::move(block));
  }
  WDE_ASSIGN_OR_RETURN(parts.final_norm, outside.layer_norm(context, "final_norm", C,
                                                            config.norm_epsilon, config.norm_bias));
  return std::unique_ptr<Model>(std::make_unique<PreNormEncoder>(context.dtype, std::move(parts)));
}

}  // namespace wde::models
