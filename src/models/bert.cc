#include "models/bert.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/status.h"
#include "models/config_fields.h"

namespace wde::models {
namespace {

// The weights of one block, by a relative's names.
class BlockLoader {
 public:
  BlockLoader(const BertConfig& config, const Weights& weights, std::string prefix,
              layers::LoadContext& context)
      : config_(config), weights_(weights), prefix_(std::move(prefix)), context_(context) {}

  Result<layers::EncoderBlock> load() const {
    const BertNames& names = config_.names;
    layers::EncoderBlock block;
    WDE_ASSIGN_OR_RETURN(block.attention, attention());
    WDE_ASSIGN_OR_RETURN(block.attention_norm, norm(names.attention_norm));
    WDE_ASSIGN_OR_RETURN(block.feed_forward, feed_forward());
    WDE_ASSIGN_OR_RETURN(block.output_norm, norm(names.output_norm));
    return block;
  }

 private:
  std::string name(std::string_view module) const { return prefix_ + std::string(module); }

  Result<std::unique_ptr<layers::FeedForward>> feed_forward() const {
    const BertNames& names = config_.names;
    const int64_t C = config_.hidden_size, F = config_.intermediate_size;
    WDE_ASSIGN_OR_RETURN(const auto up, weights_.linear(name(names.up), F, C));
    WDE_ASSIGN_OR_RETURN(const auto down, weights_.linear(name(names.down), C, F));
    return layers::Mlp::load(context_,
                             {.up_weight = up.weight,
                              .up_bias = up.bias,
                              .down_weight = down.weight,
                              .down_bias = down.bias},
                             config_.activation);
  }

  Result<layers::LayerNorm> norm(std::string_view module) const {
    WDE_ASSIGN_OR_RETURN(const auto found, weights_.layer_norm(name(module), config_.hidden_size));
    return layers::LayerNorm::load(context_, found.weight, found.bias, config_.layer_norm_epsilon);
  }

  Result<layers::SelfAttention> attention() const {
    const BertNames& names = config_.names;
    const int64_t C = config_.hidden_size;
    WDE_ASSIGN_OR_RETURN(const auto query, weights_.linear(name(names.query), C, C));
    WDE_ASSIGN_OR_RETURN(const auto key, weights_.linear(name(names.key), C, C));
    WDE_ASSIGN_OR_RETURN(const auto value, weights_.linear(name(names.value), C, C));
    WDE_ASSIGN_OR_RETURN(const auto output, weights_.linear(name(names.attention_output), C, C));
    const layers::SelfAttentionWeights weights{.query_weight = query.weight,
                                               .query_bias = query.bias,
                                               .key_weight = key.weight,
                                               .key_bias = key.bias,
                                               .value_weight = value.weight,
                                               .value_bias = value.bias,
                                               .output_weight = output.weight,
                                               .output_bias = output.bias};
    const int64_t head_size = C / config_.heads;
    const attention::AttentionProblem problem{
        .dtype = context_.dtype,
        .heads = static_cast<int>(config_.heads),
        .kv_heads = static_cast<int>(config_.heads),
        .head_size = static_cast<int>(head_size),
        .mask = attention::MaskKind::kBidirectional,
        .scale = 1.0f / std::sqrt(static_cast<float>(head_size))};
    return layers::SelfAttention::load(context_, weights, problem);
  }

  const BertConfig& config_;
  const Weights& weights_;
  const std::string prefix_;
  layers::LoadContext& context_;
};

std::string block_name(const BertConfig& config, int64_t block) {
  const BertNames& names = config.names;
  std::string name = fmt::format("{}{}.", names.layer, block / config.inner_layers);
  if (!names.inner_layer.empty())
    name += fmt::format("{}{}.", names.inner_layer, block % config.inner_layers);
  return name;
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
  WDE_ASSIGN_OR_RETURN(bert.type_vocab_size,
                       get_int_in(config, "type_vocab_size", 2, {.least = 1, .most = 1024}));
  WDE_ASSIGN_OR_RETURN(bert.layer_norm_epsilon, get_epsilon(config, "layer_norm_eps", 1e-12));
  WDE_ASSIGN_OR_RETURN(bert.activation, get_activation(config, "hidden_act", "gelu"));
  WDE_RETURN_IF_ERROR(
      divide_heads({"hidden_size", bert.hidden_size}, {"num_attention_heads", bert.heads})
          .status());
  WDE_RETURN_IF_ERROR(expect_string(config, "position_embedding_type", "absolute"));
  WDE_RETURN_IF_ERROR(expect_encoder(config));
  bert.embedding_size = bert.hidden_size;
  return bert;
}

ModelTraits BertEncoder::traits(const BertConfig& config) {
  return {.hidden_size = static_cast<int>(config.hidden_size),
          .vocab_size = static_cast<int>(config.vocab_size),
          .type_vocab_size = static_cast<int>(config.type_vocab_size),
          .position_offset = static_cast<int>(config.position_offset),
          .padding_id = static_cast<int>(config.padding_id),
          .max_length = static_cast<int>(config.max_positions - config.position_offset)};
}

Status BertEncoder::load_embeddings(const BertConfig& config, const Weights& weights,
                                    layers::LoadContext& context) {
  const int64_t E = config.embedding_size;
  WDE_ASSIGN_OR_RETURN(const auto words,
                       weights.tensor("embeddings.word_embeddings.weight", {config.vocab_size, E}));
  WDE_ASSIGN_OR_RETURN(const auto positions, weights.tensor("embeddings.position_embeddings.weight",
                                                            {config.max_positions, E}));
  WDE_ASSIGN_OR_RETURN(word_embeddings_, layers::load_table(context, words));
  WDE_ASSIGN_OR_RETURN(position_embeddings_, layers::load_table(context, positions));
  if (config.type_vocab_size > 0) {
    WDE_ASSIGN_OR_RETURN(const auto types, weights.tensor("embeddings.token_type_embeddings.weight",
                                                          {config.type_vocab_size, E}));
    WDE_ASSIGN_OR_RETURN(type_embeddings_, layers::load_table(context, types));
  }
  WDE_ASSIGN_OR_RETURN(const auto norm, weights.layer_norm("embeddings.LayerNorm", E));
  WDE_ASSIGN_OR_RETURN(embedding_norm_, layers::LayerNorm::load(context, norm.weight, norm.bias,
                                                                config.layer_norm_epsilon));
  if (config.names.projection.empty()) return {};
  WDE_ASSIGN_OR_RETURN(const auto projection,
                       weights.linear(std::string(config.names.projection), config.hidden_size, E));
  WDE_ASSIGN_OR_RETURN(projection_,
                       layers::Linear::load(context, projection.weight, projection.bias));
  return {};
}

Result<std::unique_ptr<Model>> BertEncoder::load(const BertConfig& config,
                                                 const checkpoint::WeightSource& source,
                                                 layers::LoadContext& context) {
  const Weights weights(source, config.names.prefix, "embeddings.word_embeddings.weight");
  auto model = std::make_unique<BertEncoder>();
  model->dtype_ = context.dtype;
  model->hidden_size_ = config.hidden_size;
  model->embedding_size_ = config.embedding_size;
  WDE_RETURN_IF_ERROR(model->load_embeddings(config, weights, context));
  model->layers_ = config.layers;
  model->groups_ = config.groups > 0 ? config.groups : config.layers;
  model->inner_layers_ = config.inner_layers;
  for (int64_t b = 0; b < model->groups_ * config.inner_layers; ++b) {
    const BlockLoader loader(config, weights, block_name(config, b), context);
    WDE_ASSIGN_OR_RETURN(layers::EncoderBlock block, loader.load());
    model->blocks_.push_back(std::move(block));
  }
  return std::unique_ptr<Model>(std::move(model));
}

std::vector<ModuleChoice> BertEncoder::choices() const {
  return {{"attention", blocks_.front().attention.backend()},
          {"gemm", blocks_.front().feed_forward->backend()}};
}

void BertEncoder::embed(ops::OpContext& context, const layers::TokenBatch& batch,
                        const TensorView& x) const {
  const Arena::Mark mark(context.arena);
  const TensorView e =
      projection_ ? context.arena.allocate(dtype_, {batch.tokens(), embedding_size_}) : x;
  const bool typed = type_embeddings_.data != nullptr;
  ops::embedding_sum(context, {.ids = batch.ids,
                               .positions = batch.positions,
                               .type_ids = typed ? batch.type_ids : TensorView(),
                               .word_table = word_embeddings_,
                               .position_table = position_embeddings_,
                               .type_table = type_embeddings_,
                               .out = e});
  embedding_norm_.forward(context, e, e);
  if (projection_) projection_->forward(context, e, x);
}

// As transformers' AlbertTransformer divides, rounding included.
int64_t BertEncoder::first_block(int64_t l) const {
  const double layers_a_group = static_cast<double>(layers_) / static_cast<double>(groups_);
  return static_cast<int64_t>(static_cast<double>(l) / layers_a_group) * inner_layers_;
}

TensorView BertEncoder::forward(ops::OpContext& context, const layers::TokenBatch& batch) const {
  const TensorView x = context.arena.allocate(dtype_, {batch.tokens(), hidden_size_});
  embed(context, batch, x);
  for (int64_t l = 0; l < layers_; ++l) {
    const auto first = blocks_.begin() + first_block(l);
    std::for_each(first, first + inner_layers_,
                  [&](const layers::EncoderBlock& block) { block.forward(context, batch, x); });
  }
  return x;
}

}  // namespace wde::models
