#include "models/bert.h"

#include <cmath>

#include "base/status.h"
#include "models/weights.h"

namespace wde::models {
namespace {

// A size from config.json: there, positive, and small enough that products of two fit an int64 with
// room.
Result<int64_t> get_size(const json::object& config, std::string_view key) {
  if (!config.contains(key)) return data_loss_error("\"{}\" is missing", key);
  WDE_ASSIGN_OR_RETURN(const int64_t size, json::get_int(config, key, 0));
  if (size < 1 || size > (int64_t{1} << 28))
    return data_loss_error("\"{}\" must be a positive integer at most 2^28, not {}", key, size);
  return size;
}

Result<layers::EncoderBlock> load_block(const BertConfig& config, const Weights& weights,
                                        const std::string& name, layers::LoadContext& context) {
  const int64_t C = config.hidden_size, F = config.intermediate_size;
  WDE_ASSIGN_OR_RETURN(const auto query, weights.linear(name + "attention.self.query", C, C));
  WDE_ASSIGN_OR_RETURN(const auto key, weights.linear(name + "attention.self.key", C, C));
  WDE_ASSIGN_OR_RETURN(const auto value, weights.linear(name + "attention.self.value", C, C));
  WDE_ASSIGN_OR_RETURN(const auto output, weights.linear(name + "attention.output.dense", C, C));
  WDE_ASSIGN_OR_RETURN(const auto attention_norm,
                       weights.layer_norm(name + "attention.output.LayerNorm", C));
  WDE_ASSIGN_OR_RETURN(const auto up, weights.linear(name + "intermediate.dense", F, C));
  WDE_ASSIGN_OR_RETURN(const auto down, weights.linear(name + "output.dense", C, F));
  WDE_ASSIGN_OR_RETURN(const auto output_norm, weights.layer_norm(name + "output.LayerNorm", C));

  const int64_t head_size = C / config.heads;
  const attention::AttentionProblem problem{
      .dtype = context.dtype,
      .heads = static_cast<int>(config.heads),
      .kv_heads = static_cast<int>(config.heads),
      .head_size = static_cast<int>(head_size),
      .mask = attention::MaskKind::kBidirectional,
      .scale = 1.0f / std::sqrt(static_cast<float>(head_size))};
  const layers::SelfAttentionWeights attention_weights{.query_weight = query.weight,
                                                       .query_bias = query.bias,
                                                       .key_weight = key.weight,
                                                       .key_bias = key.bias,
                                                       .value_weight = value.weight,
                                                       .value_bias = value.bias,
                                                       .output_weight = output.weight,
                                                       .output_bias = output.bias};
  const float epsilon = config.layer_norm_epsilon;
  layers::EncoderBlock block;
  WDE_ASSIGN_OR_RETURN(block.attention,
                       layers::SelfAttention::load(context, attention_weights, problem));
  WDE_ASSIGN_OR_RETURN(block.attention_norm, layers::LayerNorm::load(context, attention_norm.weight,
                                                                     attention_norm.bias, epsilon));
  WDE_ASSIGN_OR_RETURN(block.feed_forward, layers::Mlp::load(context,
                                                             {.up_weight = up.weight,
                                                              .up_bias = up.bias,
                                                              .down_weight = down.weight,
                                                              .down_bias = down.bias},
                                                             config.activation));
  WDE_ASSIGN_OR_RETURN(block.output_norm, layers::LayerNorm::load(context, output_norm.weight,
                                                                  output_norm.bias, epsilon));
  return block;
}

}  // namespace

Result<BertConfig> BertConfig::from_json(const json::object& config) {
  BertConfig bert;
  WDE_ASSIGN_OR_RETURN(bert.layers, get_size(config, "num_hidden_layers"));
  WDE_ASSIGN_OR_RETURN(bert.hidden_size, get_size(config, "hidden_size"));
  WDE_ASSIGN_OR_RETURN(bert.intermediate_size, get_size(config, "intermediate_size"));
  WDE_ASSIGN_OR_RETURN(bert.heads, get_size(config, "num_attention_heads"));
  WDE_ASSIGN_OR_RETURN(bert.vocab_size, get_size(config, "vocab_size"));
  WDE_ASSIGN_OR_RETURN(bert.max_positions, get_size(config, "max_position_embeddings"));
  WDE_ASSIGN_OR_RETURN(bert.type_vocab_size, json::get_int(config, "type_vocab_size", 2));
  WDE_ASSIGN_OR_RETURN(const double epsilon, json::get_double(config, "layer_norm_eps", 1e-12));
  if (!(epsilon > 0 && epsilon < 1)) {
    return data_loss_error("\"layer_norm_eps\" must be above 0 and below 1, not {}", epsilon);
  }
  bert.layer_norm_epsilon = static_cast<float>(epsilon);
  WDE_ASSIGN_OR_RETURN(const std::string activation,
                       json::get_string(config, "hidden_act", "gelu"));
  WDE_ASSIGN_OR_RETURN(bert.activation, ops::parse_activation(activation));
  if (bert.hidden_size % bert.heads != 0) {
    return data_loss_error("hidden_size {} is not a multiple of num_attention_heads {}",
                           bert.hidden_size, bert.heads);
  }
  if (bert.type_vocab_size < 1 || bert.type_vocab_size > 1024) {
    return data_loss_error("type_vocab_size is {}", bert.type_vocab_size);
  }
  WDE_ASSIGN_OR_RETURN(const std::string positions,
                       json::get_string(config, "position_embedding_type", "absolute"));
  if (positions != "absolute") {
    return unsupported_error("position_embedding_type \"{}\" is not supported; \"absolute\" is",
                             positions);
  }
  WDE_ASSIGN_OR_RETURN(const bool decoder, json::get_bool(config, "is_decoder", false));
  if (decoder)
    return unsupported_error("is_decoder is set; BertModel is loaded as an encoder only");
  return bert;
}

Result<ModelTraits> BertModel::traits(const json::object& json) {
  WDE_ASSIGN_OR_RETURN(const BertConfig config, BertConfig::from_json(json));
  return ModelTraits{.hidden_size = static_cast<int>(config.hidden_size),
                     .vocab_size = static_cast<int>(config.vocab_size),
                     .type_vocab_size = static_cast<int>(config.type_vocab_size),
                     .position_offset = 0,
                     .max_length = static_cast<int>(config.max_positions)};
}

Result<std::unique_ptr<Model>> BertModel::load(const json::object& json,
                                               const checkpoint::WeightSource& source,
                                               layers::LoadContext& context) {
  WDE_ASSIGN_OR_RETURN(const BertConfig config, BertConfig::from_json(json));
  const Weights weights(source, "bert.", "embeddings.word_embeddings.weight");
  const int64_t C = config.hidden_size;
  auto model = std::make_unique<BertModel>();
  model->dtype_ = context.dtype;
  model->hidden_size_ = C;

  WDE_ASSIGN_OR_RETURN(const auto words,
                       weights.tensor("embeddings.word_embeddings.weight", {config.vocab_size, C}));
  WDE_ASSIGN_OR_RETURN(const auto positions, weights.tensor("embeddings.position_embeddings.weight",
                                                            {config.max_positions, C}));
  WDE_ASSIGN_OR_RETURN(const auto types, weights.tensor("embeddings.token_type_embeddings.weight",
                                                        {config.type_vocab_size, C}));
  WDE_ASSIGN_OR_RETURN(const auto norm, weights.layer_norm("embeddings.LayerNorm", C));
  WDE_ASSIGN_OR_RETURN(model->word_embeddings_, layers::load_table(context, words));
  WDE_ASSIGN_OR_RETURN(model->position_embeddings_, layers::load_table(context, positions));
  WDE_ASSIGN_OR_RETURN(model->type_embeddings_, layers::load_table(context, types));
  WDE_ASSIGN_OR_RETURN(
      model->embedding_norm_,
      layers::LayerNorm::load(context, norm.weight, norm.bias, config.layer_norm_epsilon));

  for (int64_t l = 0; l < config.layers; ++l) {
    const std::string name = "encoder.layer." + std::to_string(l) + ".";
    WDE_ASSIGN_OR_RETURN(layers::EncoderBlock block, load_block(config, weights, name, context));
    model->blocks_.push_back(std::move(block));
  }
  return std::unique_ptr<Model>(std::move(model));
}

std::vector<ModuleChoice> BertModel::choices() const {
  return {{"attention", blocks_.front().attention.backend()},
          {"gemm", blocks_.front().feed_forward->backend()}};
}

TensorView BertModel::forward(ops::OpContext& context, const layers::TokenBatch& batch) const {
  const TensorView x = context.arena.allocate(dtype_, {batch.tokens(), hidden_size_});
  ops::embedding_sum(context, {.ids = batch.ids,
                               .positions = batch.positions,
                               .type_ids = batch.type_ids,
                               .word_table = word_embeddings_,
                               .position_table = position_embeddings_,
                               .type_table = type_embeddings_,
                               .out = x});
  embedding_norm_.forward(context, x, x);
  for (const layers::EncoderBlock& block : blocks_) block.forward(context, batch, x);
  return x;
}

}  // namespace wde::models
