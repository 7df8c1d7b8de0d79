#include "models/bert_parts.h"

#include "base/status.h"
#include "models/config_fields.h"

namespace wde::models {
Result<BertConfig> read_bert_config(const json::object& config, const BertDefaults& defaults) {
  BertConfig bert;
  WDE_ASSIGN_OR_RETURN(bert.layers, get_size(config, "num_hidden_layers"));
  WDE_ASSIGN_OR_RETURN(bert.hidden_size, get_size(config, "hidden_size"));
  WDE_ASSIGN_OR_RETURN(bert.intermediate_size, get_size(config, "intermediate_size"));
  WDE_ASSIGN_OR_RETURN(bert.heads, get_size(config, "num_attention_heads"));
  WDE_ASSIGN_OR_RETURN(bert.vocab_size, get_size(config, "vocab_size"));
  WDE_ASSIGN_OR_RETURN(bert.max_positions, get_size(config, "max_position_embeddings"));
  WDE_ASSIGN_OR_RETURN(bert.type_vocab_size,
                       get_int_in(config, "type_vocab_size", defaults.types,
                                  {.least = defaults.fewest_types, .most = 1024}));
  WDE_ASSIGN_OR_RETURN(bert.layer_norm_epsilon,
                       get_epsilon(config, "layer_norm_eps", defaults.epsilon));
  WDE_ASSIGN_OR_RETURN(bert.activation, get_activation(config, "hidden_act", defaults.activation));
  WDE_RETURN_IF_ERROR(
      divide_heads({"hidden_size", bert.hidden_size}, {"num_attention_heads", bert.heads})
          .status());
  WDE_RETURN_IF_ERROR(expect_string(config, "position_embedding_type", "absolute"));
  WDE_RETURN_IF_ERROR(expect_encoder(config));
  bert.embedding_size = bert.hidden_size;
  return bert;
}

Result<BertConfig> BertConfig::from_json(const json::object& config) {
  return read_bert_config(config, {});
}

ModelTraits bert_traits(const BertConfig& config) {
  return {.hidden_size = static_cast<int>(config.hidden_size),
          .vocab_size = static_cast<int>(config.vocab_size),
          .type_vocab_size = static_cast<int>(config.type_vocab_size),
          .position_offset = static_cast<int>(config.position_offset),
          .padding_id = static_cast<int>(config.padding_id),
          .max_length = static_cast<int>(config.max_positions - config.position_offset)};
}

Status BertEmbeddings::load_tables(const BertConfig& config, const Weights& weights,
                                   layers::LoadContext& context) {
  const int64_t E = config.embedding_size;
  WDE_ASSIGN_OR_RETURN(const auto words,
                       weights.tensor("embeddings.word_embeddings.weight", {config.vocab_size, E}));
  WDE_ASSIGN_OR_RETURN(words_, layers::load_table(context, words));
  if (config.embeds_positions) {
    WDE_ASSIGN_OR_RETURN(
        const auto positions,
        weights.tensor("embeddings.position_embeddings.weight", {config.max_positions, E}));
    WDE_ASSIGN_OR_RETURN(positions_, layers::load_table(context, positions));
  }
  if (config.type_vocab_size > 0) {
    WDE_ASSIGN_OR_RETURN(const auto types, weights.tensor("embeddings.token_type_embeddings.weight",
                                                          {config.type_vocab_size, E}));
    WDE_ASSIGN_OR_RETURN(types_, layers::load_table(context, types));
  }
  return {};
}

Result<BertEmbeddings> BertEmbeddings::load(const BertConfig& config, const Weights& weights,
                                            layers::LoadContext& context) {
  BertEmbeddings embeddings;
  embeddings.embedding_size_ = config.embedding_size;
  embeddings.place_ = config.projection;
  WDE_RETURN_IF_ERROR(embeddings.load_tables(config, weights, context));
  const bool before = config.projection == Projection::kBeforeNorm;
  WDE_ASSIGN_OR_RETURN(const auto norm,
                       weights.layer_norm(std::string(config.names.embedding_norm),
                                          before ? config.hidden_size : config.embedding_size));
  WDE_ASSIGN_OR_RETURN(embeddings.norm_, layers::LayerNorm::load(context, norm.weight, norm.bias,
                                                                 config.layer_norm_epsilon));
  if (config.names.projection.empty()) return embeddings;
  WDE_ASSIGN_OR_RETURN(
      const auto projection,
      weights.linear(std::string(config.names.projection), config.hidden_size,
                     config.embedding_size, before ? Bias::kAbsent : Bias::kPresent));
  WDE_ASSIGN_OR_RETURN(embeddings.projection_,
                       layers::Linear::load(context, projection.weight, projection.bias));
  return embeddings;
}

void BertEmbeddings::forward(ops::OpContext& context, const layers::TokenBatch& batch,
                             const TensorView& x) const {
  const Arena::Mark mark(context.arena);
  const TensorView e =
      projection_ ? context.arena.allocate(x.dtype, {batch.tokens(), embedding_size_}) : x;
  ops::embedding_sum(context, {.ids = batch.ids,
                               .positions = batch.positions,
                               .type_ids = types_.data != nullptr ? batch.type_ids : TensorView(),
                               .word_table = words_,
                               .position_table = positions_,
                               .type_table = types_,
                               .out = e});
  if (projection_ && place_ == Projection::kBeforeNorm) {
    projection_->forward(context, e, x);
    return norm_.forward(context, x, x);
  }
  norm_.forward(context, e, e);
  if (projection_) projection_->forward(context, e, x);
}

AttentionShape bert_attention_shape(const BertConfig& config) {
  return {.hidden_size = config.hidden_size,
          .heads = config.heads,
          .kv_heads = config.heads,
          .head_size = config.hidden_size / config.heads};
}

Result<layers::EncoderBlock> load_bert_block(const BertConfig& config, const Weights& weights,
                                             const std::string& prefix,
                                             const attention::AttentionProblem& attention,
                                             layers::LoadContext& context) {
  const BertNames& names = config.names;
  const int64_t C = config.hidden_size, F = config.intermediate_size;
  const float epsilon = config.layer_norm_epsilon;
  const BlockWeights block_weights(weights, prefix);
  WDE_ASSIGN_OR_RETURN(const auto attention_weights,
                       block_weights.attention({.packed = names.packed,
                                                .query = names.query,
                                                .key = names.key,
                                                .value = names.value,
                                                .output = names.attention_output},
                                               bert_attention_shape(config)));
  WDE_ASSIGN_OR_RETURN(const auto mlp, block_weights.mlp(names.up, names.down, Bias::kPresent,
                                                         Bias::kPresent, C, F));
  layers::EncoderBlock block;
  WDE_ASSIGN_OR_RETURN(block.attention,
                       layers::SelfAttention::load(context, attention_weights, attention));
  WDE_ASSIGN_OR_RETURN(block.attention_norm,
                       block_weights.layer_norm(context, names.attention_norm, C, epsilon));
  WDE_ASSIGN_OR_RETURN(block.feed_forward, layers::Mlp::load(context, mlp, config.activation));
  WDE_ASSIGN_OR_RETURN(block.output_norm,
                       block_weights.layer_norm(context, names.output_norm, C, epsilon));
  return block;
}

}  // namespace wde::models
