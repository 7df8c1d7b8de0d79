#include "models/eurobert.h"

#include <fmt/format.h>

#include "base/status.h"
#include "models/block_weights.h"
#include "models/config_fields.h"

namespace wde::models {
namespace {

AttentionShape attention_shape(const EuroBertConfig& config) {
  return {.hidden_size = config.hidden_size,
          .heads = config.heads,
          .kv_heads = config.kv_heads,
          .head_size = config.head_size};
}

Result<layers::RmsNorm> load_norm(const EuroBertConfig& config, const BlockWeights& weights,
                                  std::string_view module, layers::LoadContext& context) {
  WDE_ASSIGN_OR_RETURN(const auto norm, weights.norm(module, config.hidden_size, Bias::kAbsent));
  return layers::RmsNorm::load(context, norm.weight, config.norm_epsilon);
}

Result<layers::PreNormBlock> load_block(
    const EuroBertConfig& config, const BlockWeights& weights,
    const std::shared_ptr<const layers::RotaryEmbedding>& rotary, layers::LoadContext& context) {
  const AttentionShape shape = attention_shape(config);
  layers::PreNormBlock block;
  WDE_ASSIGN_OR_RETURN(block.attention_norm,
                       load_norm(config, weights, "input_layernorm", context));
  WDE_ASSIGN_OR_RETURN(const auto attention,
                       weights.attention({.query = "self_attn.q_proj",
                                          .key = "self_attn.k_proj",
                                          .value = "self_attn.v_proj",
                                          .output = "self_attn.o_proj",
                                          .projection_bias = config.attention_bias,
                                          .output_bias = config.attention_bias},
                                         shape));
  WDE_ASSIGN_OR_RETURN(block.attention,
                       layers::SelfAttention::load(
                           context, attention, bidirectional_attention(context, shape), rotary));
  WDE_ASSIGN_OR_RETURN(block.feed_forward_norm,
                       load_norm(config, weights, "post_attention_layernorm", context));
  WDE_ASSIGN_OR_RETURN(const auto mlp,
                       weights.gated_mlp(GateNames{.gate = "mlp.gate_proj",
                                                   .up = "mlp.up_proj",
                                                   .down = "mlp.down_proj",
                                                   .gate_bias = config.mlp_bias,
                                                   .down_bias = config.mlp_bias},
                                         config.hidden_size, config.intermediate_size));
  WDE_ASSIGN_OR_RETURN(block.feed_forward, layers::GatedMlp::load(context, mlp, config.activation));
  return block;
}

}  // namespace

Result<EuroBertConfig> EuroBertConfig::from_json(const json::object& config) {
  EuroBertConfig euro;
  WDE_ASSIGN_OR_RETURN(euro.layers, get_size(config, "num_hidden_layers"));
  WDE_ASSIGN_OR_RETURN(euro.hidden_size, get_size(config, "hidden_size"));
  WDE_ASSIGN_OR_RETURN(euro.intermediate_size, get_size(config, "intermediate_size"));
  WDE_ASSIGN_OR_RETURN(euro.heads, get_size(config, "num_attention_heads"));
  WDE_ASSIGN_OR_RETURN(euro.kv_heads, get_size(config, "num_key_value_heads", euro.heads));
  WDE_ASSIGN_OR_RETURN(euro.vocab_size, get_size(config, "vocab_size"));
  WDE_ASSIGN_OR_RETURN(euro.max_positions, get_size(config, "max_position_embeddings", 8192));
  WDE_ASSIGN_OR_RETURN(euro.head_size, get_size(config, "head_dim", euro.hidden_size / euro.heads));
  if (euro.heads % euro.kv_heads != 0) {
    return data_loss_error("num_attention_heads {} is not a multiple of num_key_value_heads {}",
                           euro.heads, euro.kv_heads);
  }
  WDE_ASSIGN_OR_RETURN(euro.norm_epsilon, get_epsilon(config, "rms_norm_eps", 1e-5));
  WDE_ASSIGN_OR_RETURN(euro.activation, get_activation(config, "hidden_act", "silu"));
  WDE_ASSIGN_OR_RETURN(euro.attention_bias, get_bias(config, "attention_bias", Bias::kAbsent));
  WDE_ASSIGN_OR_RETURN(euro.mlp_bias, get_bias(config, "mlp_bias", Bias::kAbsent));
  WDE_ASSIGN_OR_RETURN(euro.rope, layers::parse_rope(config, {.head_size = euro.head_size,
                                                              .max_positions = euro.max_positions,
                                                              .theta = 10000.0}));
  return euro;
}

Result<ModelTraits> EuroBertModel::traits(const json::object& json) {
  WDE_ASSIGN_OR_RETURN(const EuroBertConfig config, EuroBertConfig::from_json(json));
  return ModelTraits{.hidden_size = static_cast<int>(config.hidden_size),
                     .vocab_size = static_cast<int>(config.vocab_size),
                     .type_vocab_size = 0,
                     .position_offset = 0,
                     .max_length = static_cast<int>(config.max_positions)};
}

Result<std::unique_ptr<Model>> EuroBertModel::load(const json::object& json,
                                                   const checkpoint::WeightSource& source,
                                                   layers::LoadContext& context) {
  WDE_ASSIGN_OR_RETURN(const EuroBertConfig config, EuroBertConfig::from_json(json));
  const Weights weights(source, "model.", "embed_tokens.weight");
  auto model = std::make_unique<EuroBertModel>();
  model->dtype_ = context.dtype;
  model->hidden_size_ = config.hidden_size;
  WDE_ASSIGN_OR_RETURN(const auto words, weights.tensor("embed_tokens.weight",
                                                        {config.vocab_size, config.hidden_size}));
  WDE_ASSIGN_OR_RETURN(model->word_embeddings_, layers::load_table(context, words));
  WDE_ASSIGN_OR_RETURN(
      const auto rotary,
      layers::RotaryEmbedding::load(context, config.rope, config.head_size, config.max_positions));
  for (int64_t l = 0; l < config.layers; ++l) {
    const BlockWeights block_weights(weights, fmt::format("layers.{}.", l));
    WDE_ASSIGN_OR_RETURN(layers::PreNormBlock block,
                         load_block(config, block_weights, rotary, context));
    model->blocks_.push_back(std::move(block));
  }
  WDE_ASSIGN_OR_RETURN(model->final_norm_,
                       load_norm(config, BlockWeights(weights, ""), "norm", context));
  return std::unique_ptr<Model>(std::move(model));
}

std::vector<ModuleChoice> EuroBertModel::choices() const {
  return {{"attention", blocks_.front().attention.backend()},
          {"gemm", blocks_.front().feed_forward->backend()}};
}

TensorView EuroBertModel::forward(ops::OpContext& context, const layers::TokenBatch& batch) const {
  const TensorView x = context.arena.allocate(dtype_, {batch.tokens(), hidden_size_});
  ops::embedding_sum(context, {.ids = batch.ids, .word_table = word_embeddings_, .out = x});
  for (const layers::PreNormBlock& block : blocks_) block.forward(context, batch, x);
  final_norm_.forward(context, x, x);
  return x;
}

}  // namespace wde::models
