#include "models/gpt2.h"

#include <cmath>

#include "base/status.h"
#include "models/block_weights.h"
#include "models/config_fields.h"
#include "models/decoder_mask.h"
#include "models/pre_norm_encoder.h"
#include "tensor/computed_rows.h"

namespace wde::models {
namespace {

// A matrix that GPT-2 stores as [inputs, outputs] (transformers' Conv1D), as a Linear's
// [outputs, inputs] in f32; with its bias.
struct Transposed {
  std::vector<float> storage;
  TensorView weight, bias;
};

Result<Transposed> load_transposed(const Weights& weights, const std::string& module,
                                   int64_t outputs, int64_t inputs) {
  WDE_ASSIGN_OR_RETURN(const TensorView stored,
                       weights.tensor(module + ".weight", {inputs, outputs}));
  Transposed matrix;
  WDE_ASSIGN_OR_RETURN(matrix.bias, weights.tensor(module + ".bias", {outputs}));
  const auto size = static_cast<size_t>(inputs * outputs);
  std::vector<float> values(size);
  read_f32(stored, values.data());
  matrix.storage.resize(size);
  for (int64_t i = 0; i < inputs; ++i) {
    for (int64_t o = 0; o < outputs; ++o) {
      matrix.storage[static_cast<size_t>(o * inputs + i)] =
          values[static_cast<size_t>(i * outputs + o)];
    }
  }
  matrix.weight = TensorView::contiguous(matrix.storage.data(), DType::kF32, {outputs, inputs});
  return matrix;
}

Result<layers::SelfAttention> load_attention(const Gpt2Config& config, const Weights& weights,
                                             int64_t l, layers::LoadContext& context) {
  const int64_t C = config.hidden_size, D = C / config.heads;
  const std::string module = fmt::format("h.{}.attn.", l);
  WDE_ASSIGN_OR_RETURN(const Transposed packed,
                       load_transposed(weights, module + "c_attn", 3 * C, C));
  WDE_ASSIGN_OR_RETURN(const Transposed output, load_transposed(weights, module + "c_proj", C, C));
  attention::AttentionProblem problem = bidirectional_attention(
      context, {.hidden_size = C, .heads = config.heads, .kv_heads = config.heads, .head_size = D});
  problem.mask = config.mask;
  if (!config.scaled) problem.scale = 1;
  if (config.scaled_by_layer) problem.scale /= static_cast<float>(l + 1);
  return layers::SelfAttention::load(context,
                                     {.query_weight = packed.weight.slice_rows(0, C),
                                      .query_bias = packed.bias.slice_rows(0, C),
                                      .key_weight = packed.weight.slice_rows(C, C),
                                      .key_bias = packed.bias.slice_rows(C, C),
                                      .value_weight = packed.weight.slice_rows(2 * C, C),
                                      .value_bias = packed.bias.slice_rows(2 * C, C),
                                      .output_weight = output.weight,
                                      .output_bias = output.bias},
                                     problem);
}

Result<std::unique_ptr<layers::FeedForward>> load_mlp(const Gpt2Config& config,
                                                      const Weights& weights, int64_t l,
                                                      layers::LoadContext& context) {
  const int64_t C = config.hidden_size, F = config.intermediate_size;
  const std::string module = fmt::format("h.{}.mlp.", l);
  WDE_ASSIGN_OR_RETURN(const Transposed up, load_transposed(weights, module + "c_fc", F, C));
  WDE_ASSIGN_OR_RETURN(const Transposed down, load_transposed(weights, module + "c_proj", C, F));
  return layers::Mlp::load(context,
                           {.up_weight = up.weight,
                            .up_bias = up.bias,
                            .down_weight = down.weight,
                            .down_bias = down.bias},
                           config.activation);
}

Result<layers::PreNormBlock> load_block(const Gpt2Config& config, const Weights& weights, int64_t l,
                                        layers::LoadContext& context) {
  const BlockWeights block_weights(weights, fmt::format("h.{}.", l));
  layers::PreNormBlock block;
  WDE_ASSIGN_OR_RETURN(
      block.attention_norm,
      block_weights.layer_norm(context, "ln_1", config.hidden_size, config.epsilon));
  WDE_ASSIGN_OR_RETURN(block.attention, load_attention(config, weights, l, context));
  WDE_ASSIGN_OR_RETURN(
      block.feed_forward_norm,
      block_weights.layer_norm(context, "ln_2", config.hidden_size, config.epsilon));
  WDE_ASSIGN_OR_RETURN(block.feed_forward, load_mlp(config, weights, l, context));
  return block;
}

}  // namespace

Result<Gpt2Config> Gpt2Config::from_json(const json::object& config) {
  Gpt2Config gpt2;
  WDE_ASSIGN_OR_RETURN(gpt2.layers, get_size(config, "n_layer", 12));
  WDE_ASSIGN_OR_RETURN(gpt2.hidden_size, get_size(config, "n_embd", 768));
  WDE_ASSIGN_OR_RETURN(gpt2.heads, get_size(config, "n_head", 12));
  WDE_ASSIGN_OR_RETURN(gpt2.vocab_size, get_size(config, "vocab_size", 50257));
  WDE_ASSIGN_OR_RETURN(gpt2.max_positions, get_size(config, "n_positions", 1024));
  const json::value* inner = config.if_contains("n_inner");
  gpt2.intermediate_size = 4 * gpt2.hidden_size;
  if (inner != nullptr && !inner->is_null()) {
    WDE_ASSIGN_OR_RETURN(gpt2.intermediate_size, get_size(config, "n_inner"));
  }
  WDE_RETURN_IF_ERROR(divide_heads({"n_embd", gpt2.hidden_size}, {"n_head", gpt2.heads}).status());
  WDE_ASSIGN_OR_RETURN(gpt2.epsilon, get_epsilon(config, "layer_norm_epsilon", 1e-5));
  WDE_ASSIGN_OR_RETURN(gpt2.activation, get_activation(config, "activation_function", "gelu_new"));
  WDE_ASSIGN_OR_RETURN(gpt2.mask, read_mask(config, attention::MaskKind::kCausal));
  WDE_ASSIGN_OR_RETURN(gpt2.scaled, json::get_bool(config, "scale_attn_weights", true));
  WDE_ASSIGN_OR_RETURN(gpt2.scaled_by_layer,
                       json::get_bool(config, "scale_attn_by_inverse_layer_idx", false));
  WDE_RETURN_IF_ERROR(expect_bool(config, "add_cross_attention", false));
  return gpt2;
}

Result<ModelTraits> Gpt2Model::traits(const json::object& json) {
  WDE_ASSIGN_OR_RETURN(const Gpt2Config config, Gpt2Config::from_json(json));
  return ModelTraits{.hidden_size = static_cast<int>(config.hidden_size),
                     .vocab_size = static_cast<int>(config.vocab_size),
                     .causal = config.mask == attention::MaskKind::kCausal,
                     .max_length = static_cast<int>(config.max_positions)};
}

Result<std::unique_ptr<Model>> Gpt2Model::load(const json::object& json,
                                               const checkpoint::WeightSource& source,
                                               layers::LoadContext& context) {
  WDE_ASSIGN_OR_RETURN(const Gpt2Config config, Gpt2Config::from_json(json));
  const Weights weights(source, "transformer.", "wte.weight");
  const int64_t C = config.hidden_size;
  PreNormEncoder::Parts parts;
  WDE_ASSIGN_OR_RETURN(const auto words, weights.tensor("wte.weight", {config.vocab_size, C}));
  WDE_ASSIGN_OR_RETURN(const auto positions,
                       weights.tensor("wpe.weight", {config.max_positions, C}));
  WDE_ASSIGN_OR_RETURN(parts.word_embeddings, layers::load_table(context, words));
  WDE_ASSIGN_OR_RETURN(parts.position_embeddings, layers::load_table(context, positions));
  for (int64_t l = 0; l < config.layers; ++l) {
    WDE_ASSIGN_OR_RETURN(layers::PreNormBlock block, load_block(config, weights, l, context));
    parts.blocks.push_back(std::move(block));
  }
  WDE_ASSIGN_OR_RETURN(parts.final_norm,
                       BlockWeights(weights, "").layer_norm(context, "ln_f", C, config.epsilon));
  return std::unique_ptr<Model>(std::make_unique<PreNormEncoder>(context.dtype, std::move(parts)));
}

}  // namespace wde::models
