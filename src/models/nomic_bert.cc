#include "models/nomic_bert.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/status.h"
#include "layers/mixture_of_experts.h"
#include "models/block_weights.h"
#include "models/config_fields.h"
#include "models/post_norm_encoder.h"

namespace wde::models {
namespace {

constexpr char kWords[] = "embeddings.word_embeddings.weight";

// What the hub's checkpoints call modules, and what transformers 5 does.
struct Names {
  std::string_view embedding_norm;
  std::string_view block;
  AttentionNames attention;
  std::string_view attention_norm, output_norm;
  std::string_view gate, up, down;
};
constexpr Names kHub = {.embedding_norm = "emb_ln",
                        .block = "encoder.layers.",
                        .attention = {.packed = "attn.Wqkv", .output = "attn.out_proj"},
                        .attention_norm = "norm1",
                        .output_norm = "norm2",
                        .gate = "mlp.fc12",
                        .up = "mlp.fc11",
                        .down = "mlp.fc2"};
constexpr Names kTransformers = {.embedding_norm = "embeddings.LayerNorm",
                                 .block = "layers.",
                                 .attention = {.query = "self_attn.q_proj",
                                               .key = "self_attn.k_proj",
                                               .value = "self_attn.v_proj",
                                               .output = "self_attn.o_proj"},
                                 .attention_norm = "post_attention_layernorm",
                                 .output_norm = "post_mlp_layernorm",
                                 .gate = "mlp.gate_proj",
                                 .up = "mlp.up_proj",
                                 .down = "mlp.down_proj"};

// ------------------------------------------------------------------ config.json

// "swiglu", "geglu" and "glu" are gated feed-forwards, any other activation is a plain one's.
Status read_activation(const json::object& config, NomicBertConfig* nomic) {
  WDE_ASSIGN_OR_RETURN(const std::string name,
                       json::get_string(config, "activation_function", "gelu"));
  struct Gated {
    std::string_view name;
    ops::Activation activation;
  };
  constexpr Gated kGated[] = {{"swiglu", ops::Activation::kSilu},
                              {"geglu", ops::Activation::kGeluErf},
                              {"glu", ops::Activation::kSigmoid}};
  for (const Gated& gated : kGated) {
    if (gated.name != name) continue;
    nomic->gated = true;
    nomic->activation = gated.activation;
    return {};
  }
  nomic->gated = false;
  WDE_ASSIGN_OR_RETURN(nomic->activation, get_activation(config, "activation_function", "gelu"));
  return {};
}

Status read_experts(const json::object& config, NomicBertConfig* nomic) {
  WDE_ASSIGN_OR_RETURN(nomic->expert_every,
                       get_int_in(config, "moe_every_n_layers", 0, {0, 1 << 20}));
  if (nomic->expert_every == 0) return {};
  WDE_ASSIGN_OR_RETURN(nomic->experts, get_size(config, "num_experts"));
  WDE_ASSIGN_OR_RETURN(nomic->top_k, get_size(config, "moe_top_k"));
  if (nomic->top_k > nomic->experts) {
    return data_loss_error("moe_top_k {} is more than num_experts {}", nomic->top_k,
                           nomic->experts);
  }
  if (nomic->gated) {
    return unsupported_error(
        "activation_function of experts is a gated one, which is not supported; gelu is");
  }
  WDE_RETURN_IF_ERROR(expect_bool(config, "moe_normalize_expert_weights", false));
  WDE_RETURN_IF_ERROR(expect_bool(config, "expert_choice_router", false));
  WDE_ASSIGN_OR_RETURN(const int64_t shared, json::get_int(config, "num_shared_experts", 0));
  if (shared != 0) return unsupported_error("num_shared_experts {} is not supported; 0 is", shared);
  WDE_ASSIGN_OR_RETURN(const int64_t divisor, json::get_int(config, "ffn_div", 1));
  if (divisor != 1) return unsupported_error("ffn_div {} is not supported; 1 is", divisor);
  return {};
}

Status read_rope(const json::object& config, NomicBertConfig* nomic) {
  WDE_ASSIGN_OR_RETURN(const double fraction, json::get_double(config, "rotary_emb_fraction", 1.0));
  WDE_ASSIGN_OR_RETURN(const double base, json::get_double(config, "rotary_emb_base", 10000.0));
  const json::object fields = {{"rope_theta", base}, {"partial_rotary_factor", fraction}};
  WDE_ASSIGN_OR_RETURN(
      nomic->rope, layers::parse_rope_parameters(fields, {.head_size = nomic->head_size,
                                                          .max_positions = nomic->max_positions}));
  WDE_ASSIGN_OR_RETURN(const bool interleaved,
                       json::get_bool(config, "rotary_emb_interleaved", false));
  nomic->pairs = interleaved ? ops::RopePairs::kInterleaved : ops::RopePairs::kHalves;
  WDE_ASSIGN_OR_RETURN(const double xpos, json::get_double(config, "rotary_emb_scale_base", 0));
  if (xpos != 0) return unsupported_error("rotary_emb_scale_base {} is not supported", xpos);
  // Stretches texts longer than the model was trained on, by the length of the longest in a batch:
  // up to there it changes nothing, so texts end there.
  WDE_ASSIGN_OR_RETURN(const double scaling, json::get_double(config, "rotary_scaling_factor", 0));
  if (scaling != 0) {
    WDE_ASSIGN_OR_RETURN(const int64_t trained, get_size(config, "max_trained_positions", 2048));
    nomic->max_positions = std::min(nomic->max_positions, trained);
  }
  return {};
}

Result<NomicBertConfig> from_hub(const json::object& config) {
  NomicBertConfig nomic;
  WDE_ASSIGN_OR_RETURN(nomic.layers, get_size(config, "n_layer"));
  WDE_ASSIGN_OR_RETURN(nomic.hidden_size, get_size(config, "n_embd"));
  WDE_ASSIGN_OR_RETURN(nomic.intermediate_size, get_size(config, "n_inner", 4 * nomic.hidden_size));
  WDE_ASSIGN_OR_RETURN(nomic.heads, get_size(config, "n_head"));
  WDE_ASSIGN_OR_RETURN(nomic.vocab_size, get_size(config, "vocab_size"));
  WDE_ASSIGN_OR_RETURN(nomic.max_positions, get_size(config, "n_positions", 2048));
  WDE_ASSIGN_OR_RETURN(nomic.type_vocab_size, get_int_in(config, "type_vocab_size", 2, {0, 1024}));
  WDE_ASSIGN_OR_RETURN(nomic.layer_norm_epsilon, get_epsilon(config, "layer_norm_epsilon", 1e-5));
  WDE_ASSIGN_OR_RETURN(nomic.head_size,
                       divide_heads({"n_embd", nomic.hidden_size}, {"n_head", nomic.heads}));
  WDE_ASSIGN_OR_RETURN(nomic.attention_bias, get_bias(config, "qkv_proj_bias", Bias::kPresent));
  WDE_ASSIGN_OR_RETURN(nomic.up_bias, get_bias(config, "mlp_fc1_bias", Bias::kPresent));
  WDE_ASSIGN_OR_RETURN(nomic.down_bias, get_bias(config, "mlp_fc2_bias", Bias::kPresent));
  // The checkpoint's tables have whole multiples of rows.
  WDE_ASSIGN_OR_RETURN(const int64_t multiple, get_size(config, "pad_vocab_size_multiple", 1));
  nomic.vocab_size = (nomic.vocab_size + multiple - 1) / multiple * multiple;
  for (const std::string_view key :
       {"causal", "prenorm", "parallel_block", "use_rms_norm", "scale_attn_by_inverse_layer_idx",
        "mup", "use_rotary_emb_qk_norm"}) {
    WDE_RETURN_IF_ERROR(expect_bool(config, key, false));
  }
  WDE_RETURN_IF_ERROR(expect_bool(config, "scale_attn_weights", true));
  WDE_RETURN_IF_ERROR(read_rope(config, &nomic));
  WDE_RETURN_IF_ERROR(read_activation(config, &nomic));
  WDE_RETURN_IF_ERROR(read_experts(config, &nomic));
  return nomic;
}

Result<NomicBertConfig> from_transformers(const json::object& config) {
  NomicBertConfig nomic;
  WDE_ASSIGN_OR_RETURN(nomic.layers, get_size(config, "num_hidden_layers"));
  WDE_ASSIGN_OR_RETURN(nomic.hidden_size, get_size(config, "hidden_size"));
  WDE_ASSIGN_OR_RETURN(nomic.intermediate_size, get_size(config, "intermediate_size"));
  WDE_ASSIGN_OR_RETURN(nomic.heads, get_size(config, "num_attention_heads"));
  WDE_ASSIGN_OR_RETURN(nomic.head_size,
                       get_size(config, "head_dim", nomic.hidden_size / nomic.heads));
  WDE_ASSIGN_OR_RETURN(nomic.vocab_size, get_size(config, "vocab_size"));
  WDE_ASSIGN_OR_RETURN(nomic.max_positions, get_size(config, "max_position_embeddings", 2048));
  WDE_ASSIGN_OR_RETURN(nomic.type_vocab_size, get_int_in(config, "type_vocab_size", 2, {1, 1024}));
  WDE_ASSIGN_OR_RETURN(nomic.layer_norm_epsilon, get_epsilon(config, "layer_norm_eps", 1e-12));
  WDE_ASSIGN_OR_RETURN(nomic.activation, get_activation(config, "hidden_act", "silu"));
  WDE_ASSIGN_OR_RETURN(nomic.rope, layers::parse_rope(config, {.head_size = nomic.head_size,
                                                               .max_positions = nomic.max_positions,
                                                               .theta = 1000.0}));
  return nomic;
}

// ------------------------------------------------------------------ weights

Result<std::unique_ptr<layers::FeedForward>> load_feed_forward(const NomicBertConfig& config,
                                                               const Names& names,
                                                               const BlockWeights& weights,
                                                               layers::LoadContext& context) {
  const int64_t C = config.hidden_size, F = config.intermediate_size;
  if (!config.gated) {
    WDE_ASSIGN_OR_RETURN(const auto mlp,
                         weights.mlp("mlp.fc1", "mlp.fc2", config.up_bias, config.down_bias, C, F));
    return layers::Mlp::load(context, mlp, config.activation);
  }
  WDE_ASSIGN_OR_RETURN(const auto mlp, weights.gated_mlp(GateNames{.gate = names.gate,
                                                                   .up = names.up,
                                                                   .down = names.down,
                                                                   .gate_bias = config.up_bias,
                                                                   .down_bias = config.down_bias},
                                                         C, F));
  return layers::GatedMlp::load(context, mlp, config.activation);
}

Result<std::unique_ptr<layers::FeedForward>> load_experts(const NomicBertConfig& config,
                                                          const Weights& weights,
                                                          const std::string& prefix,
                                                          layers::LoadContext& context) {
  const int64_t C = config.hidden_size, rows = config.experts * config.intermediate_size;
  layers::MixtureOfExperts::Weights found;
  WDE_ASSIGN_OR_RETURN(found.router,
                       weights.tensor(prefix + "router.layer.weight", {config.experts, C}));
  WDE_ASSIGN_OR_RETURN(found.up, weights.tensor(prefix + "experts.mlp.w1", {rows, C}));
  WDE_ASSIGN_OR_RETURN(found.down, weights.tensor(prefix + "experts.mlp.w2", {rows, C}));
  WDE_ASSIGN_OR_RETURN(found.bias, weights.tensor(prefix + "experts.bias", {C}));
  return layers::MixtureOfExperts::load(
      context, found,
      {.experts = config.experts, .top_k = config.top_k, .activation = config.activation});
}

Result<layers::EncoderBlock> load_block(
    const NomicBertConfig& config, const Names& names, const Weights& weights, int64_t l,
    const std::shared_ptr<const layers::RotaryEmbedding>& rotary, layers::LoadContext& context) {
  const float epsilon = config.layer_norm_epsilon;
  const BlockWeights block_weights(weights, fmt::format("{}{}.", names.block, l));
  const AttentionShape shape{.hidden_size = config.hidden_size,
                             .heads = config.heads,
                             .kv_heads = config.heads,
                             .head_size = config.head_size};
  AttentionNames attention_names = names.attention;
  attention_names.projection_bias = attention_names.output_bias = config.attention_bias;
  layers::EncoderBlock block;
  WDE_ASSIGN_OR_RETURN(const auto attention, block_weights.attention(attention_names, shape));
  WDE_ASSIGN_OR_RETURN(block.attention,
                       layers::SelfAttention::load(
                           context, attention, bidirectional_attention(context, shape), rotary));
  WDE_ASSIGN_OR_RETURN(block.attention_norm, block_weights.layer_norm(context, names.attention_norm,
                                                                      config.hidden_size, epsilon));
  if (config.has_experts(l)) {
    WDE_ASSIGN_OR_RETURN(block.feed_forward,
                         load_experts(config, weights, block_weights.name("mlp."), context));
  } else {
    WDE_ASSIGN_OR_RETURN(block.feed_forward,
                         load_feed_forward(config, names, block_weights, context));
  }
  WDE_ASSIGN_OR_RETURN(block.output_norm, block_weights.layer_norm(context, names.output_norm,
                                                                   config.hidden_size, epsilon));
  return block;
}

}  // namespace

Result<NomicBertConfig> NomicBertConfig::from_json(const json::object& config) {
  return config.contains("n_embd") ? from_hub(config) : from_transformers(config);
}

Result<ModelTraits> NomicBertModel::traits(const json::object& json) {
  WDE_ASSIGN_OR_RETURN(const NomicBertConfig config, NomicBertConfig::from_json(json));
  return post_norm_traits(config);
}

Result<std::unique_ptr<Model>> NomicBertModel::load(const json::object& json,
                                                    const checkpoint::WeightSource& source,
                                                    layers::LoadContext& context) {
  WDE_ASSIGN_OR_RETURN(const NomicBertConfig config, NomicBertConfig::from_json(json));
  const bool bert_prefix = source.has(std::string("bert.") + kWords);
  const Weights weights(source, bert_prefix ? "bert." : "nomic_bert.", kWords);
  const Names& names = weights.has("emb_ln.weight") ? kHub : kTransformers;
  WDE_ASSIGN_OR_RETURN(
      PostNormEncoder::Parts parts,
      load_embeddings(weights, {config.vocab_size, config.type_vocab_size, config.hidden_size},
                      names.embedding_norm, config.layer_norm_epsilon, context));
  WDE_ASSIGN_OR_RETURN(const auto rotary,
                       layers::RotaryEmbedding::load(context, config.rope, config.head_size,
                                                     config.max_positions, config.pairs));
  for (int64_t l = 0; l < config.layers; ++l) {
    WDE_ASSIGN_OR_RETURN(layers::EncoderBlock block,
                         load_block(config, names, weights, l, rotary, context));
    parts.blocks.push_back(std::move(block));
  }
  return std::unique_ptr<Model>(std::make_unique<PostNormEncoder>(context.dtype, std::move(parts)));
}

}  // namespace wde::models
