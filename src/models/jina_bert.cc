#include "models/jina_bert.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/status.h"
#include "models/block_weights.h"
#include "models/config_fields.h"
#include "models/post_norm_encoder.h"

namespace wde::models {
namespace {

constexpr char kWords[] = "embeddings.word_embeddings.weight";
constexpr AttentionNames kAttention = {.query = "attention.self.query",
                                       .key = "attention.self.key",
                                       .value = "attention.self.value",
                                       .output = "attention.output.dense"};

// The two forms of the code on the hub: the first one's, and that of jina-embeddings-v2-base-code,
// which also normalizes queries and keys.
struct BlockNames {
  PackedGateNames mlp;
  std::string_view attention_norm, output_norm;
  std::string_view query_norm, key_norm;  // empty for none
};
constexpr BlockNames kPlain = {.mlp = {.gate_and_up = "mlp.gated_layers",
                                       .order = ops::GateOrder::kGateFirst,
                                       .down = "mlp.wo",
                                       .gate_bias = Bias::kAbsent},
                               .attention_norm = "attention.output.LayerNorm",
                               .output_norm = "mlp.layernorm"};
constexpr BlockNames kQueryKeyNorm = {.mlp = {.gate_and_up = "mlp.up_gated_layer",
                                              .order = ops::GateOrder::kUpFirst,
                                              .down = "mlp.down_layer",
                                              .gate_bias = Bias::kAbsent},
                                      .attention_norm = "layer_norm_1",
                                      .output_norm = "layer_norm_2",
                                      .query_norm = "attention.self.layer_norm_q",
                                      .key_norm = "attention.self.layer_norm_k"};

// -slope * |i - j| for every head and distance that a text can have: [H, 2 R + 1].
Result<TensorView> load_alibi(int64_t heads, int64_t positions, layers::LoadContext& context) {
  if (context.max_length > 0) positions = std::min(positions, context.max_length);
  const int64_t reach = positions - 1;
  const std::vector<float> slopes = alibi_slopes(heads);
  std::vector<float> biases;
  for (const float slope : slopes) {
    for (int64_t distance = -reach; distance <= reach; ++distance) {
      biases.push_back(-slope * static_cast<float>(std::abs(distance)));
    }
  }
  return layers::load_f32(
      context, TensorView::contiguous(biases.data(), DType::kF32, {heads, 2 * reach + 1}));
}

Result<layers::EncoderBlock> load_block(const JinaBertConfig& config, const BlockNames& names,
                                        const BlockWeights& weights, const TensorView& alibi,
                                        layers::LoadContext& context) {
  const int64_t C = config.hidden_size;
  const float epsilon = config.layer_norm_epsilon;
  const AttentionShape shape{.hidden_size = C,
                             .heads = config.heads,
                             .kv_heads = config.heads,
                             .head_size = C / config.heads};
  attention::AttentionProblem problem = bidirectional_attention(context, shape);
  problem.distance_bias = alibi;
  layers::EncoderBlock block;
  WDE_ASSIGN_OR_RETURN(const auto attention, weights.attention(kAttention, shape));
  WDE_ASSIGN_OR_RETURN(block.attention, layers::SelfAttention::load(context, attention, problem));
  if (!names.query_norm.empty()) {
    WDE_ASSIGN_OR_RETURN(auto query, weights.layer_norm(context, names.query_norm, C, epsilon));
    WDE_ASSIGN_OR_RETURN(auto key, weights.layer_norm(context, names.key_norm, C, epsilon));
    block.attention.normalize_projections(std::move(query), std::move(key));
  }
  WDE_ASSIGN_OR_RETURN(block.attention_norm,
                       weights.layer_norm(context, names.attention_norm, C, epsilon));
  WDE_ASSIGN_OR_RETURN(const auto mlp, weights.gated_mlp(names.mlp, C, config.intermediate_size));
  WDE_ASSIGN_OR_RETURN(block.feed_forward, layers::GatedMlp::load(context, mlp, config.activation));
  WDE_ASSIGN_OR_RETURN(block.output_norm,
                       weights.layer_norm(context, names.output_norm, C, epsilon));
  return block;
}

}  // namespace

std::vector<float> alibi_slopes(int64_t heads) {
  int64_t power = 1;
  while (2 * power <= heads) power *= 2;
  // The i-th of n slopes, n a power of two: 2^(-8 i / n), from i = 1.
  const auto slope = [](int64_t i, int64_t n) {
    return static_cast<float>(std::exp2(-8.0 * static_cast<double>(i) / static_cast<double>(n)));
  };
  std::vector<float> slopes;
  for (int64_t i = 1; i <= power; ++i) slopes.push_back(slope(i, power));
  for (int64_t i = 1; std::ssize(slopes) < heads; i += 2) slopes.push_back(slope(i, 2 * power));
  return slopes;
}

Result<JinaBertConfig> JinaBertConfig::from_json(const json::object& config) {
  JinaBertConfig jina;
  WDE_ASSIGN_OR_RETURN(jina.layers, get_size(config, "num_hidden_layers"));
  WDE_ASSIGN_OR_RETURN(jina.hidden_size, get_size(config, "hidden_size"));
  WDE_ASSIGN_OR_RETURN(jina.intermediate_size, get_size(config, "intermediate_size"));
  WDE_ASSIGN_OR_RETURN(jina.heads, get_size(config, "num_attention_heads"));
  WDE_ASSIGN_OR_RETURN(jina.vocab_size, get_size(config, "vocab_size"));
  WDE_ASSIGN_OR_RETURN(jina.max_positions, get_size(config, "max_position_embeddings"));
  WDE_ASSIGN_OR_RETURN(jina.type_vocab_size, get_int_in(config, "type_vocab_size", 2, {1, 1024}));
  WDE_ASSIGN_OR_RETURN(jina.layer_norm_epsilon, get_epsilon(config, "layer_norm_eps", 1e-12));
  WDE_RETURN_IF_ERROR(
      divide_heads({"hidden_size", jina.hidden_size}, {"num_attention_heads", jina.heads})
          .status());
  WDE_RETURN_IF_ERROR(expect_encoder(config));
  if (!config.contains("position_embedding_type"))
    return unsupported_error("position_embedding_type is not set; \"alibi\" is supported");
  WDE_RETURN_IF_ERROR(expect_string(config, "position_embedding_type", "alibi"));
  // The gate's activation is the feed-forward's kind; hidden_act is the ungated one's.
  WDE_ASSIGN_OR_RETURN(const std::string kind,
                       json::get_string(config, "feed_forward_type", "original"));
  if (kind == "reglu") {
    jina.activation = ops::Activation::kRelu;
  } else if (kind != "geglu") {
    return unsupported_error("feed_forward_type \"{}\" is not supported; geglu and reglu are",
                             kind);
  }
  return jina;
}

Result<ModelTraits> JinaBertModel::traits(const json::object& json) {
  WDE_ASSIGN_OR_RETURN(const JinaBertConfig config, JinaBertConfig::from_json(json));
  return post_norm_traits(config);
}

Result<std::unique_ptr<Model>> JinaBertModel::load(const json::object& json,
                                                   const checkpoint::WeightSource& source,
                                                   layers::LoadContext& context) {
  WDE_ASSIGN_OR_RETURN(const JinaBertConfig config, JinaBertConfig::from_json(json));
  const Weights weights(source, "bert.", kWords);
  WDE_ASSIGN_OR_RETURN(
      PostNormEncoder::Parts parts,
      load_embeddings(weights, {config.vocab_size, config.type_vocab_size, config.hidden_size},
                      "embeddings.LayerNorm", config.layer_norm_epsilon, context));
  WDE_ASSIGN_OR_RETURN(const TensorView alibi,
                       load_alibi(config.heads, config.max_positions, context));
  const bool plain = !weights.has("encoder.layer.0.layer_norm_1.weight");
  for (int64_t l = 0; l < config.layers; ++l) {
    const BlockWeights block_weights(weights, fmt::format("encoder.layer.{}.", l));
    WDE_ASSIGN_OR_RETURN(
        layers::EncoderBlock block,
        load_block(config, plain ? kPlain : kQueryKeyNorm, block_weights, alibi, context));
    parts.blocks.push_back(std::move(block));
  }
  return std::unique_ptr<Model>(std::make_unique<PostNormEncoder>(context.dtype, std::move(parts)));
}

}  // namespace wde::models
