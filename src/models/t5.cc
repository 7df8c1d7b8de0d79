#include "models/t5.h"

#include <string>

#include "base/status.h"
#include "models/block_weights.h"
#include "models/config_fields.h"
#include "models/pre_norm_encoder.h"

namespace wde::models {
namespace {

// Nothing in the model ends there; a longer text is a mistake.
constexpr int kLongest = 1 << 20;

// "relu", "gated-gelu", "gated-silu", …
Status read_feed_forward(const json::object& config, T5Config* t5) {
  WDE_ASSIGN_OR_RETURN(std::string name, json::get_string(config, "feed_forward_proj", "relu"));
  constexpr std::string_view kGated = "gated-";
  t5->gated = name.starts_with(kGated);
  if (t5->gated) name.erase(0, kGated.size());
  if (t5->gated && name == "gelu") name = "gelu_new";  // as transformers reads "gated-gelu"
  Result<ops::Activation> activation = ops::parse_activation(name);
  if (!activation.ok()) return activation.status().with_context("feed_forward_proj");
  t5->activation = *activation;
  return {};
}

Result<layers::RmsNorm> load_norm(const T5Config& config, const Weights& weights,
                                  const std::string& module, layers::LoadContext& context) {
  WDE_ASSIGN_OR_RETURN(const auto weight, weights.tensor(module + ".weight", {config.hidden_size}));
  return layers::RmsNorm::load(context, weight, config.epsilon);
}

Result<std::unique_ptr<layers::FeedForward>> load_feed_forward(const T5Config& config,
                                                               const BlockWeights& weights,
                                                               layers::LoadContext& context) {
  const int64_t C = config.hidden_size, F = config.intermediate_size;
  if (!config.gated) {
    WDE_ASSIGN_OR_RETURN(const auto mlp, weights.mlp("1.DenseReluDense.wi", "1.DenseReluDense.wo",
                                                     Bias::kAbsent, Bias::kAbsent, C, F));
    return layers::Mlp::load(context, mlp, config.activation);
  }
  WDE_ASSIGN_OR_RETURN(const auto mlp, weights.gated_mlp({.gate = "1.DenseReluDense.wi_0",
                                                          .up = "1.DenseReluDense.wi_1",
                                                          .down = "1.DenseReluDense.wo",
                                                          .gate_bias = Bias::kAbsent,
                                                          .down_bias = Bias::kAbsent},
                                                         C, F));
  return layers::GatedMlp::load(context, mlp, config.activation);
}

Result<layers::PreNormBlock> load_block(const T5Config& config, const Weights& weights,
                                        const std::string& name,
                                        const attention::AttentionProblem& problem,
                                        layers::LoadContext& context) {
  const BlockWeights block_weights(weights, name);
  WDE_ASSIGN_OR_RETURN(const auto attention,
                       block_weights.attention({.packed = {},
                                                .query = "0.SelfAttention.q",
                                                .key = "0.SelfAttention.k",
                                                .value = "0.SelfAttention.v",
                                                .output = "0.SelfAttention.o",
                                                .projection_bias = Bias::kAbsent,
                                                .output_bias = Bias::kAbsent},
                                               {.hidden_size = config.hidden_size,
                                                .heads = config.heads,
                                                .kv_heads = config.heads,
                                                .head_size = config.head_size}));
  layers::PreNormBlock block;
  WDE_ASSIGN_OR_RETURN(block.attention_norm,
                       load_norm(config, weights, name + "0.layer_norm", context));
  WDE_ASSIGN_OR_RETURN(block.attention, layers::SelfAttention::load(context, attention, problem));
  WDE_ASSIGN_OR_RETURN(block.feed_forward_norm,
                       load_norm(config, weights, name + "1.layer_norm", context));
  WDE_ASSIGN_OR_RETURN(block.feed_forward, load_feed_forward(config, block_weights, context));
  return block;
}

// The first layer's buckets are every layer's.
Result<attention::AttentionProblem> load_problem(const T5Config& config, const Weights& weights,
                                                 layers::LoadContext& context) {
  attention::AttentionProblem problem{.dtype = context.dtype,
                                      .heads = static_cast<int>(config.heads),
                                      .kv_heads = static_cast<int>(config.heads),
                                      .head_size = static_cast<int>(config.head_size),
                                      .scale = 1.0f};
  WDE_ASSIGN_OR_RETURN(
      const auto table,
      weights.tensor("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                     {config.buckets.buckets, config.heads}));
  WDE_ASSIGN_OR_RETURN(problem.distance_bias,
                       layers::load_distance_bias(context, config.buckets, table));
  return problem;
}

}  // namespace

Result<T5Config> T5Config::from_json(const json::object& config) {
  T5Config t5;
  WDE_ASSIGN_OR_RETURN(t5.layers, get_size(config, "num_layers"));
  WDE_ASSIGN_OR_RETURN(t5.hidden_size, get_size(config, "d_model"));
  WDE_ASSIGN_OR_RETURN(t5.intermediate_size, get_size(config, "d_ff"));
  WDE_ASSIGN_OR_RETURN(t5.heads, get_size(config, "num_heads"));
  WDE_ASSIGN_OR_RETURN(t5.head_size, get_size(config, "d_kv"));
  WDE_ASSIGN_OR_RETURN(t5.vocab_size, get_size(config, "vocab_size"));
  WDE_ASSIGN_OR_RETURN(t5.usual_length, get_int_in(config, "n_positions", t5.usual_length,
                                                   {.least = 1, .most = kLongest}));
  WDE_ASSIGN_OR_RETURN(t5.epsilon, get_epsilon(config, "layer_norm_epsilon", 1e-6));
  WDE_ASSIGN_OR_RETURN(t5.buckets.buckets, get_int_in(config, "relative_attention_num_buckets", 32,
                                                      {.least = 4, .most = 1 << 16}));
  WDE_ASSIGN_OR_RETURN(t5.buckets.max_distance,
                       get_int_in(config, "relative_attention_max_distance", 128,
                                  {.least = t5.buckets.buckets / 4 + 1, .most = int64_t{1} << 20}));
  if (t5.buckets.buckets % 2 != 0) {
    return unsupported_error("relative_attention_num_buckets {} is not supported; even ones are",
                             t5.buckets.buckets);
  }
  WDE_RETURN_IF_ERROR(read_feed_forward(config, &t5));
  WDE_RETURN_IF_ERROR(expect_encoder(config));
  return t5;
}

Result<ModelTraits> T5Encoder::traits(const json::object& json) {
  WDE_ASSIGN_OR_RETURN(const T5Config config, T5Config::from_json(json));
  return ModelTraits{.hidden_size = static_cast<int>(config.hidden_size),
                     .vocab_size = static_cast<int>(config.vocab_size),
                     .max_length = kLongest,
                     .usual_length = static_cast<int>(config.usual_length)};
}

Result<std::unique_ptr<Model>> T5Encoder::load(const json::object& json,
                                               const checkpoint::WeightSource& source,
                                               layers::LoadContext& context) {
  WDE_ASSIGN_OR_RETURN(const T5Config config, T5Config::from_json(json));
  const Weights weights(source, "transformer.", "encoder.final_layer_norm.weight");
  PreNormEncoder::Parts parts;
  const char* words =
      weights.has("shared.weight") ? "shared.weight" : "encoder.embed_tokens.weight";
  WDE_ASSIGN_OR_RETURN(const auto table,
                       weights.tensor(words, {config.vocab_size, config.hidden_size}));
  WDE_ASSIGN_OR_RETURN(parts.word_embeddings, layers::load_table(context, table));
  WDE_ASSIGN_OR_RETURN(const auto problem, load_problem(config, weights, context));
  for (int64_t l = 0; l < config.layers; ++l) {
    const std::string name = fmt::format("encoder.block.{}.layer.", l);
    WDE_ASSIGN_OR_RETURN(layers::PreNormBlock block,
                         load_block(config, weights, name, problem, context));
    parts.blocks.push_back(std::move(block));
  }
  WDE_ASSIGN_OR_RETURN(parts.final_norm,
                       load_norm(config, weights, "encoder.final_layer_norm", context));
  return std::unique_ptr<Model>(std::make_unique<PreNormEncoder>(context.dtype, std::move(parts)));
}

}  // namespace wde::models
