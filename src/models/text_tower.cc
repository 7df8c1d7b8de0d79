#include "models/text_tower.h"

#include <string>

#include "base/status.h"
#include "models/block_weights.h"
#include "models/config_fields.h"

namespace wde::models {
namespace {

constexpr TextTowerDefaults kClip = {.hidden_size = 512,
                                     .intermediate_size = 2048,
                                     .layers = 12,
                                     .heads = 8,
                                     .vocab_size = 49408,
                                     .max_positions = 77,
                                     .epsilon = 1e-5,
                                     .activation = "quick_gelu"};
constexpr int64_t kClipEndOfText = 49407;
constexpr int64_t kClipProjection = 512;
constexpr TextTowerDefaults kSiglip = {.hidden_size = 768,
                                       .intermediate_size = 3072,
                                       .layers = 12,
                                       .heads = 12,
                                       .vocab_size = 32000,
                                       .max_positions = 64,
                                       .epsilon = 1e-6,
                                       .activation = "gelu_pytorch_tanh"};

// The text's own config, or the whole where it has no parts.
Result<const json::object*> text_config(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(const json::object* text, json::get_object(config, "text_config"));
  return text != nullptr ? text : &config;
}

Result<TextTowerConfig> read_sizes(const json::object& config, const TextTowerDefaults& defaults) {
  TextTowerConfig tower;
  WDE_ASSIGN_OR_RETURN(tower.layers, get_size(config, "num_hidden_layers", defaults.layers));
  WDE_ASSIGN_OR_RETURN(tower.hidden_size, get_size(config, "hidden_size", defaults.hidden_size));
  WDE_ASSIGN_OR_RETURN(tower.intermediate_size,
                       get_size(config, "intermediate_size", defaults.intermediate_size));
  WDE_ASSIGN_OR_RETURN(tower.heads, get_size(config, "num_attention_heads", defaults.heads));
  WDE_ASSIGN_OR_RETURN(tower.vocab_size, get_size(config, "vocab_size", defaults.vocab_size));
  WDE_ASSIGN_OR_RETURN(tower.max_positions,
                       get_size(config, "max_position_embeddings", defaults.max_positions));
  WDE_ASSIGN_OR_RETURN(tower.epsilon, get_epsilon(config, "layer_norm_eps", defaults.epsilon));
  WDE_ASSIGN_OR_RETURN(tower.activation, get_activation(config, "hidden_act", defaults.activation));
  WDE_RETURN_IF_ERROR(
      divide_heads({"hidden_size", tower.hidden_size}, {"num_attention_heads", tower.heads})
          .status());
  WDE_RETURN_IF_ERROR(expect_encoder(config));
  return tower;
}

Result<layers::PreNormBlock> load_block(const TextTowerConfig& config, const BlockWeights& weights,
                                        layers::LoadContext& context) {
  const int64_t C = config.hidden_size, F = config.intermediate_size;
  const AttentionShape shape{.hidden_size = C,
                             .heads = config.heads,
                             .kv_heads = config.heads,
                             .head_size = C / config.heads};
  attention::AttentionProblem problem = bidirectional_attention(context, shape);
  problem.mask = config.mask;
  WDE_ASSIGN_OR_RETURN(const auto attention, weights.attention({.packed = {},
                                                                .query = "self_attn.q_proj",
                                                                .key = "self_attn.k_proj",
                                                                .value = "self_attn.v_proj",
                                                                .output = "self_attn.out_proj"},
                                                               shape));
  WDE_ASSIGN_OR_RETURN(const auto mlp,
                       weights.mlp("mlp.fc1", "mlp.fc2", Bias::kPresent, Bias::kPresent, C, F));
  layers::PreNormBlock block;
  WDE_ASSIGN_OR_RETURN(block.attention_norm,
                       weights.layer_norm(context, "layer_norm1", C, config.epsilon));
  WDE_ASSIGN_OR_RETURN(block.attention, layers::SelfAttention::load(context, attention, problem));
  WDE_ASSIGN_OR_RETURN(block.feed_forward_norm,
                       weights.layer_norm(context, "layer_norm2", C, config.epsilon));
  WDE_ASSIGN_OR_RETURN(block.feed_forward, layers::Mlp::load(context, mlp, config.activation));
  return block;
}

}  // namespace

Result<TextTowerConfig> TextTowerConfig::of_clip(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(const json::object* text, text_config(config));
  WDE_ASSIGN_OR_RETURN(TextTowerConfig clip, read_sizes(*text, kClip));
  clip.vector.pooling = ops::Pooling::kMarked;
  WDE_ASSIGN_OR_RETURN(const int64_t marker, get_int_in(*text, "eos_token_id", kClipEndOfText,
                                                        {.least = 0, .most = int64_t{1} << 28}));
  // Configs older than transformers' PR 24773 say 2 and mean the largest id of the text.
  clip.vector.marker = marker == 2 ? ops::kLargestId : static_cast<int32_t>(marker);
  return clip;
}

Result<TextTowerConfig> TextTowerConfig::of_clip_projected(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(TextTowerConfig clip, of_clip(config));
  clip.vector.projections = {"text_projection"};
  // A whole CLIP says it once for texts and images.
  WDE_ASSIGN_OR_RETURN(clip.vector.size, get_size(config, "projection_dim", kClipProjection));
  return clip;
}

Result<TextTowerConfig> TextTowerConfig::of_siglip(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(const json::object* text, text_config(config));
  WDE_ASSIGN_OR_RETURN(TextTowerConfig siglip, read_sizes(*text, kSiglip));
  siglip.mask = attention::MaskKind::kBidirectional;
  siglip.padded = true;
  siglip.vector.pooling = ops::Pooling::kLast;
  siglip.vector.projections = {"text_model.head", "head"};
  siglip.vector.bias = true;
  WDE_ASSIGN_OR_RETURN(siglip.vector.size, get_size(*text, "projection_size", siglip.hidden_size));
  return siglip;
}

ModelTraits TextTower::traits(const TextTowerConfig& config) {
  return {.hidden_size = static_cast<int>(config.hidden_size),
          .vocab_size = static_cast<int>(config.vocab_size),
          .max_length = static_cast<int>(config.max_positions),
          .padded_length = config.padded ? static_cast<int>(config.max_positions) : 0,
          .vector = config.vector};
}

Result<std::unique_ptr<Model>> TextTower::load(const TextTowerConfig& config,
                                               const checkpoint::WeightSource& source,
                                               layers::LoadContext& context) {
  const Weights weights(source, "text_model.", "embeddings.token_embedding.weight");
  const int64_t C = config.hidden_size;
  auto model = std::make_unique<TextTower>();
  model->dtype_ = context.dtype;
  model->hidden_size_ = C;
  WDE_ASSIGN_OR_RETURN(const auto words,
                       weights.tensor("embeddings.token_embedding.weight", {config.vocab_size, C}));
  WDE_ASSIGN_OR_RETURN(const auto positions, weights.tensor("embeddings.position_embedding.weight",
                                                            {config.max_positions, C}));
  WDE_ASSIGN_OR_RETURN(model->words_, layers::load_table(context, words));
  WDE_ASSIGN_OR_RETURN(model->positions_, layers::load_table(context, positions));
  for (int64_t l = 0; l < config.layers; ++l) {
    const BlockWeights block_weights(weights, fmt::format("encoder.layers.{}.", l));
    WDE_ASSIGN_OR_RETURN(layers::PreNormBlock block, load_block(config, block_weights, context));
    model->blocks_.push_back(std::move(block));
  }
  WDE_ASSIGN_OR_RETURN(const auto norm, weights.layer_norm("final_layer_norm", C));
  WDE_ASSIGN_OR_RETURN(model->final_norm_,
                       layers::LayerNorm::load(context, norm.weight, norm.bias, config.epsilon));
  return std::unique_ptr<Model>(std::move(model));
}

std::vector<ModuleChoice> TextTower::choices() const {
  return {{"attention", blocks_.front().attention.backend()},
          {"gemm", blocks_.front().feed_forward->backend()}};
}

TensorView TextTower::forward(ops::OpContext& context, const layers::TokenBatch& batch) const {
  const TensorView x = context.arena.allocate(dtype_, {batch.tokens(), hidden_size_});
  ops::embedding_sum(context, {.ids = batch.ids,
                               .positions = batch.positions,
                               .word_table = words_,
                               .position_table = positions_,
                               .out = x});
  for (const layers::PreNormBlock& block : blocks_) block.forward(context, batch, x);
  final_norm_.forward(context, x, x);
  return x;
}

}  // namespace wde::models
