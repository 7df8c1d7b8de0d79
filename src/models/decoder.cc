#include "models/decoder.h"

#include "base/status.h"
#include "models/block_weights.h"
#include "models/pre_norm_encoder.h"

namespace wde::models {
namespace {

struct Rotaries {
  std::shared_ptr<const layers::RotaryEmbedding> global, local;
};

Result<Rotaries> load_rotaries(const DecoderConfig& config, layers::LoadContext& context) {
  Rotaries rotaries;
  WDE_ASSIGN_OR_RETURN(rotaries.global,
                       layers::RotaryEmbedding::load(context, config.global_rope, config.head_size,
                                                     config.max_positions));
  rotaries.local = rotaries.global;
  if (config.local_rope == config.global_rope) return rotaries;
  WDE_ASSIGN_OR_RETURN(rotaries.local,
                       layers::RotaryEmbedding::load(context, config.local_rope, config.head_size,
                                                     config.max_positions));
  return rotaries;
}

// One block's parts, by the names that all of these checkpoints have.
class BlockLoader {
 public:
  BlockLoader(const DecoderConfig& config, const Weights& weights, int64_t l,
              layers::LoadContext& context)
      : config_(config),
        local_(config.local[static_cast<size_t>(l)]),
        weights_(weights, fmt::format("layers.{}.", l)),
        context_(context) {}

  Result<layers::PreNormBlock> load(const Rotaries& rotaries) {
    const bool post = config_.post_norms;
    layers::PreNormBlock block;
    WDE_ASSIGN_OR_RETURN(block.attention_norm, norm("input_layernorm", config_.hidden_size));
    WDE_ASSIGN_OR_RETURN(block.attention, attention(local_ ? rotaries.local : rotaries.global));
    if (post) {
      WDE_ASSIGN_OR_RETURN(block.attention_post_norm,
                           norm("post_attention_layernorm", config_.hidden_size));
    }
    WDE_ASSIGN_OR_RETURN(
        block.feed_forward_norm,
        norm(post ? "pre_feedforward_layernorm" : "post_attention_layernorm", config_.hidden_size));
    WDE_ASSIGN_OR_RETURN(block.feed_forward, feed_forward());
    if (post) {
      WDE_ASSIGN_OR_RETURN(block.feed_forward_post_norm,
                           norm("post_feedforward_layernorm", config_.hidden_size));
    }
    return block;
  }

 private:
  Result<layers::RmsNorm> norm(std::string_view module, int64_t size) {
    WDE_ASSIGN_OR_RETURN(const auto found, weights_.norm(module, size, Bias::kAbsent));
    return layers::RmsNorm::load(context_, found.weight, config_.norm_epsilon,
                                 config_.norm_weight_offset);
  }

  attention::AttentionProblem problem() const {
    attention::AttentionProblem problem{.dtype = context_.dtype,
                                        .heads = static_cast<int>(config_.heads),
                                        .kv_heads = static_cast<int>(config_.kv_heads),
                                        .head_size = static_cast<int>(config_.head_size),
                                        .mask = config_.mask,
                                        .softcap = config_.softcap,
                                        .scale = config_.attention_scale};
    if (local_) problem.window_left = problem.window_right = config_.window;
    return problem;
  }

  Result<layers::SelfAttention> attention(
      const std::shared_ptr<const layers::RotaryEmbedding>& rotary) {
    const AttentionShape shape{.hidden_size = config_.hidden_size,
                               .heads = config_.heads,
                               .kv_heads = config_.kv_heads,
                               .head_size = config_.head_size};
    WDE_ASSIGN_OR_RETURN(const auto found,
                         weights_.attention({.query = "self_attn.q_proj",
                                             .key = "self_attn.k_proj",
                                             .value = "self_attn.v_proj",
                                             .output = "self_attn.o_proj",
                                             .projection_bias = config_.projection_bias,
                                             .output_bias = config_.output_bias},
                                            shape));
    WDE_ASSIGN_OR_RETURN(layers::SelfAttention attention,
                         layers::SelfAttention::load(context_, found, problem(), rotary));
    if (!config_.head_norms) return attention;
    WDE_ASSIGN_OR_RETURN(auto query, norm("self_attn.q_norm", config_.head_size));
    WDE_ASSIGN_OR_RETURN(auto key, norm("self_attn.k_norm", config_.head_size));
    attention.normalize_heads(std::move(query), std::move(key));
    return attention;
  }

  Result<std::unique_ptr<layers::FeedForward>> feed_forward() {
    WDE_ASSIGN_OR_RETURN(const auto mlp,
                         weights_.gated_mlp(GateNames{.gate = "mlp.gate_proj",
                                                      .up = "mlp.up_proj",
                                                      .down = "mlp.down_proj",
                                                      .gate_bias = config_.mlp_bias,
                                                      .down_bias = config_.mlp_bias},
                                            config_.hidden_size, config_.intermediate_size));
    return layers::GatedMlp::load(context_, mlp, config_.activation);
  }

  const DecoderConfig& config_;
  const bool local_;
  const BlockWeights weights_;
  layers::LoadContext& context_;
};

}  // namespace

ModelTraits decoder_traits(const DecoderConfig& config) {
  return {.hidden_size = static_cast<int>(config.hidden_size),
          .vocab_size = static_cast<int>(config.vocab_size),
          .causal = config.mask == attention::MaskKind::kCausal,
          .max_length = static_cast<int>(config.max_positions)};
}

Result<std::unique_ptr<Model>> load_decoder(const DecoderConfig& config,
                                            const checkpoint::WeightSource& source,
                                            layers::LoadContext& context) {
  const Weights weights(source, "model.", "embed_tokens.weight");
  PreNormEncoder::Parts parts;
  parts.word_scale = config.embedding_scale;
  WDE_ASSIGN_OR_RETURN(const auto words, weights.tensor("embed_tokens.weight",
                                                        {config.vocab_size, config.hidden_size}));
  WDE_ASSIGN_OR_RETURN(parts.word_embeddings, layers::load_table(context, words));
  WDE_ASSIGN_OR_RETURN(const Rotaries rotaries, load_rotaries(config, context));
  for (int64_t l = 0; l < config.layers; ++l) {
    WDE_ASSIGN_OR_RETURN(layers::PreNormBlock block,
                         BlockLoader(config, weights, l, context).load(rotaries));
    parts.blocks.push_back(std::move(block));
  }
  WDE_ASSIGN_OR_RETURN(const auto norm,
                       weights.layer_norm("norm", config.hidden_size, Bias::kAbsent));
  WDE_ASSIGN_OR_RETURN(
      parts.final_norm,
      layers::RmsNorm::load(context, norm.weight, config.norm_epsilon, config.norm_weight_offset));
  return std::unique_ptr<Model>(std::make_unique<PreNormEncoder>(context.dtype, std::move(parts)));
}

}  // namespace wde::models
