#include "models/decoder_config.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/status.h"
#include "models/block_weights.h"
#include "models/config_fields.h"
#include "models/decoder_mask.h"

namespace wde::models {
namespace {

using attention::MaskKind;

// What a config class takes where config.json is silent, beside what it must say (the sizes of
// layers, of the vocabulary and of a layer).
struct Defaults {
  std::optional<int64_t> kv_heads;   // none: as many as there are heads
  std::optional<int64_t> head_size;  // none: hidden size / heads
  int64_t max_positions = 0;
  double norm_epsilon = 1e-6;
  double theta = 10000.0;
  std::string_view activation_field = "hidden_act";
  std::string_view activation = "silu";
};

layers::RopeDefaults rope_defaults(const DecoderConfig& decoder, double theta) {
  return {.head_size = decoder.head_size, .max_positions = decoder.max_positions, .theta = theta};
}

Status read_head_sizes(const json::object& config, const Defaults& defaults,
                       DecoderConfig* decoder) {
  WDE_ASSIGN_OR_RETURN(decoder->heads, get_size(config, "num_attention_heads"));
  WDE_ASSIGN_OR_RETURN(decoder->kv_heads, get_size(config, "num_key_value_heads",
                                                   defaults.kv_heads.value_or(decoder->heads)));
  if (decoder->heads % decoder->kv_heads != 0) {
    return data_loss_error("num_attention_heads {} is not a multiple of num_key_value_heads {}",
                           decoder->heads, decoder->kv_heads);
  }
  const json::value* head_size = config.if_contains("head_dim");
  if (head_size != nullptr && !head_size->is_null()) {
    WDE_ASSIGN_OR_RETURN(decoder->head_size, get_size(config, "head_dim"));
    return {};
  }
  if (defaults.head_size && head_size == nullptr) {
    decoder->head_size = *defaults.head_size;
    return {};
  }
  decoder->head_size = decoder->hidden_size / decoder->heads;
  return {};
}

// The sizes, norms, activation and mask, which all of them spell alike; no windows, no biases.
Result<DecoderConfig> read_common(const json::object& config, const Defaults& defaults,
                                  MaskKind mask) {
  DecoderConfig decoder;
  WDE_ASSIGN_OR_RETURN(decoder.layers, get_size(config, "num_hidden_layers"));
  WDE_ASSIGN_OR_RETURN(decoder.hidden_size, get_size(config, "hidden_size"));
  WDE_ASSIGN_OR_RETURN(decoder.intermediate_size, get_size(config, "intermediate_size"));
  WDE_ASSIGN_OR_RETURN(decoder.vocab_size, get_size(config, "vocab_size"));
  WDE_ASSIGN_OR_RETURN(decoder.max_positions,
                       get_size(config, "max_position_embeddings", defaults.max_positions));
  WDE_RETURN_IF_ERROR(read_head_sizes(config, defaults, &decoder));
  WDE_ASSIGN_OR_RETURN(decoder.norm_epsilon,
                       get_epsilon(config, "rms_norm_eps", defaults.norm_epsilon));
  WDE_ASSIGN_OR_RETURN(decoder.activation,
                       get_activation(config, defaults.activation_field, defaults.activation));
  WDE_ASSIGN_OR_RETURN(decoder.mask, read_mask(config, mask));
  decoder.attention_scale = 1.0f / std::sqrt(static_cast<float>(decoder.head_size));
  decoder.local.assign(static_cast<size_t>(decoder.layers), false);
  return decoder;
}

// One rotary embedding for all layers.
Status read_rope(const json::object& config, double theta, DecoderConfig* decoder) {
  WDE_ASSIGN_OR_RETURN(decoder->global_rope,
                       layers::parse_rope(config, rope_defaults(*decoder, theta)));
  decoder->local_rope = decoder->global_rope;
  return {};
}

// A field that is null, 0 or absent for none.
Result<int64_t> read_window(const json::object& config, std::string_view key, int64_t fallback) {
  const json::value* window = config.if_contains(key);
  if (window != nullptr && window->is_null()) return 0;
  return get_int_in(config, key, fallback, {.least = 0, .most = int64_t{1} << 28});
}

// "sliding_window" is how many tokens a causal one sees, itself included; where config.json, the
// user or the architecture takes the causal mask away, as many to each side.
void set_window(int64_t tokens, DecoderConfig* decoder) {
  const bool causal = decoder->mask == MaskKind::kCausal;
  decoder->window = causal ? std::max<int64_t>(tokens - 1, 0) : tokens;
}

// "layer_types" by name; where it is missing, local(l) says.
template <class Local>
Status read_layer_types(const json::object& config, const Local& local, DecoderConfig* decoder) {
  WDE_ASSIGN_OR_RETURN(const json::array* types, json::get_array(config, "layer_types"));
  if (types != nullptr && types->size() != decoder->local.size()) {
    return data_loss_error("\"layer_types\" has {} entries for {} layers", types->size(),
                           decoder->layers);
  }
  for (size_t l = 0; l < decoder->local.size(); ++l) {
    if (types == nullptr) {
      decoder->local[l] = local(static_cast<int64_t>(l));
      continue;
    }
    const json::value& type = (*types)[l];
    decoder->local[l] = type == "sliding_attention";
    if (decoder->local[l] || type == "full_attention") continue;
    return unsupported_error(
        "layer_types \"{}\" is not supported; full_attention and sliding_attention are",
        type.is_string() ? std::string_view(type.get_string()) : "?");
  }
  return {};
}

// Qwen's: windows only where "use_sliding_window" says so, from "max_window_layers" on.
Status read_qwen_windows(const json::object& config, DecoderConfig* decoder) {
  WDE_ASSIGN_OR_RETURN(const bool used, json::get_bool(config, "use_sliding_window", false));
  WDE_ASSIGN_OR_RETURN(const int64_t window, read_window(config, "sliding_window", 4096));
  WDE_ASSIGN_OR_RETURN(const int64_t first, json::get_int(config, "max_window_layers", 28));
  const bool windows = used && window > 0;
  if (windows) set_window(window, decoder);
  WDE_RETURN_IF_ERROR(read_layer_types(
      config, [&](int64_t l) { return windows && l >= first; }, decoder));
  if (!windows) decoder->local.assign(decoder->local.size(), false);
  return {};
}

// Null for none.
Result<float> read_softcap(const json::object& config, std::string_view key, double fallback) {
  const json::value* cap = config.if_contains(key);
  if (cap == nullptr) return static_cast<float>(fallback);
  if (cap->is_null()) return 0.0f;
  WDE_ASSIGN_OR_RETURN(const double value, json::get_double(config, key, fallback));
  if (!(value > 0 && value < 1e6))
    return data_loss_error("\"{}\" must be positive, not {}", key, value);
  return static_cast<float>(value);
}

// Gemma 2's and 3's: a window in the layers that "layer_types" or local(l) says.
template <class Local>
Status read_gemma_windows(const json::object& config, const Local& local, DecoderConfig* gemma) {
  WDE_ASSIGN_OR_RETURN(const int64_t window, read_window(config, "sliding_window", 4096));
  WDE_RETURN_IF_ERROR(read_layer_types(config, local, gemma));
  if (window == 0) gemma->local.assign(gemma->local.size(), false);
  set_window(window, gemma);
  return {};
}

// What the three Gemmas share.
Result<DecoderConfig> read_gemma(const json::object& config, const Defaults& defaults,
                                 MaskKind mask) {
  WDE_ASSIGN_OR_RETURN(DecoderConfig gemma, read_common(config, defaults, mask));
  gemma.embedding_scale = std::sqrt(static_cast<float>(gemma.hidden_size));
  gemma.norm_weight_offset = 1;
  WDE_ASSIGN_OR_RETURN(gemma.projection_bias, get_bias(config, "attention_bias", Bias::kAbsent));
  gemma.output_bias = gemma.projection_bias;
  return gemma;
}

// "query_pre_attn_scalar", soft caps and post norms of Gemma 2 and 3.
Status read_gemma2_attention(const json::object& config, double softcap, DecoderConfig* gemma) {
  WDE_ASSIGN_OR_RETURN(const double scalar, json::get_double(config, "query_pre_attn_scalar", 256));
  if (!(scalar > 0 && scalar < 1e9))
    return data_loss_error("\"query_pre_attn_scalar\" must be positive, not {}", scalar);
  gemma->attention_scale = static_cast<float>(1.0 / std::sqrt(scalar));
  WDE_ASSIGN_OR_RETURN(gemma->softcap, read_softcap(config, "attn_logit_softcapping", softcap));
  gemma->post_norms = true;
  return {};
}

// One object for each type of layer in "rope_parameters" (transformers 5), or thetas in the config
// itself and a "rope_scaling" of the global layers alone (4).
Status read_gemma3_ropes(const json::object& config, DecoderConfig* gemma) {
  const layers::RopeDefaults global = rope_defaults(*gemma, 1e6);
  layers::RopeDefaults local = rope_defaults(*gemma, 1e4);
  WDE_ASSIGN_OR_RETURN(const json::object* parameters, json::get_object(config, "rope_parameters"));
  if (parameters != nullptr && parameters->contains("full_attention")) {
    const auto of_type = [&](std::string_view type,
                             const layers::RopeDefaults& defaults) -> Result<layers::RopeConfig> {
      WDE_ASSIGN_OR_RETURN(const json::object* own, json::get_object(*parameters, type));
      Result<layers::RopeConfig> rope =
          layers::parse_rope_parameters(own == nullptr ? json::object() : *own, defaults);
      if (!rope.ok()) return rope.status().with_context("rope_parameters");
      return rope;
    };
    WDE_ASSIGN_OR_RETURN(gemma->global_rope, of_type("full_attention", global));
    WDE_ASSIGN_OR_RETURN(gemma->local_rope, of_type("sliding_attention", local));
    return {};
  }
  WDE_ASSIGN_OR_RETURN(gemma->global_rope, layers::parse_rope(config, global));
  WDE_ASSIGN_OR_RETURN(local.theta, json::get_double(config, "rope_local_base_freq", local.theta));
  WDE_ASSIGN_OR_RETURN(gemma->local_rope, layers::parse_rope_parameters({}, local));
  return {};
}

}  // namespace

Result<DecoderConfig> DecoderConfig::of_llama(const json::object& config, MaskKind mask) {
  WDE_ASSIGN_OR_RETURN(DecoderConfig llama, read_common(config, {.max_positions = 2048}, mask));
  WDE_ASSIGN_OR_RETURN(llama.projection_bias, get_bias(config, "attention_bias", Bias::kAbsent));
  llama.output_bias = llama.projection_bias;
  WDE_ASSIGN_OR_RETURN(llama.mlp_bias, get_bias(config, "mlp_bias", Bias::kAbsent));
  WDE_RETURN_IF_ERROR(read_rope(config, 10000, &llama));
  return llama;
}

Result<DecoderConfig> DecoderConfig::of_mistral(const json::object& config, MaskKind mask) {
  WDE_ASSIGN_OR_RETURN(DecoderConfig mistral,
                       read_common(config, {.kv_heads = 8, .max_positions = 4096 * 32}, mask));
  WDE_ASSIGN_OR_RETURN(const int64_t window, read_window(config, "sliding_window", 4096));
  set_window(window, &mistral);
  mistral.local.assign(mistral.local.size(), window > 0);
  WDE_RETURN_IF_ERROR(read_rope(config, 10000, &mistral));
  return mistral;
}

Result<DecoderConfig> DecoderConfig::of_qwen2(const json::object& config, MaskKind mask) {
  WDE_ASSIGN_OR_RETURN(DecoderConfig qwen,
                       read_common(config, {.kv_heads = 32, .max_positions = 32768}, mask));
  qwen.projection_bias = Bias::kPresent;
  WDE_RETURN_IF_ERROR(read_qwen_windows(config, &qwen));
  WDE_RETURN_IF_ERROR(read_rope(config, 10000, &qwen));
  return qwen;
}

Result<DecoderConfig> DecoderConfig::of_qwen3(const json::object& config, MaskKind mask) {
  WDE_ASSIGN_OR_RETURN(
      DecoderConfig qwen,
      read_common(config, {.kv_heads = 32, .head_size = 128, .max_positions = 32768}, mask));
  WDE_ASSIGN_OR_RETURN(qwen.projection_bias, get_bias(config, "attention_bias", Bias::kAbsent));
  qwen.output_bias = qwen.projection_bias;
  qwen.head_norms = true;
  WDE_RETURN_IF_ERROR(read_qwen_windows(config, &qwen));
  WDE_RETURN_IF_ERROR(read_rope(config, 10000, &qwen));
  return qwen;
}

Result<DecoderConfig> DecoderConfig::of_gemma(const json::object& config, MaskKind mask) {
  WDE_ASSIGN_OR_RETURN(DecoderConfig gemma, read_gemma(config,
                                                       {.kv_heads = 16,
                                                        .head_size = 256,
                                                        .max_positions = 8192,
                                                        .activation = "gelu_pytorch_tanh"},
                                                       mask));
  // The first releases said "gelu" and meant the one by tanh.
  if (gemma.activation == ops::Activation::kGeluErf) gemma.activation = ops::Activation::kGeluTanh;
  WDE_RETURN_IF_ERROR(read_rope(config, 10000, &gemma));
  return gemma;
}

Result<DecoderConfig> DecoderConfig::of_gemma2(const json::object& config, MaskKind mask) {
  WDE_ASSIGN_OR_RETURN(DecoderConfig gemma, read_gemma(config,
                                                       {.kv_heads = 4,
                                                        .head_size = 256,
                                                        .max_positions = 8192,
                                                        .activation_field = "hidden_activation",
                                                        .activation = "gelu_pytorch_tanh"},
                                                       mask));
  WDE_RETURN_IF_ERROR(read_gemma2_attention(config, 50, &gemma));
  WDE_RETURN_IF_ERROR(read_gemma_windows(
      config, [](int64_t l) { return l % 2 == 0; }, &gemma));
  WDE_RETURN_IF_ERROR(read_rope(config, 10000, &gemma));
  return gemma;
}

Result<DecoderConfig> DecoderConfig::of_gemma3(const json::object& config, MaskKind mask) {
  WDE_ASSIGN_OR_RETURN(DecoderConfig gemma, read_gemma(config,
                                                       {.kv_heads = 4,
                                                        .head_size = 256,
                                                        .max_positions = 131072,
                                                        .activation_field = "hidden_activation",
                                                        .activation = "gelu_pytorch_tanh"},
                                                       mask));
  WDE_RETURN_IF_ERROR(read_gemma2_attention(config, 0, &gemma));
  gemma.head_norms = true;
  WDE_ASSIGN_OR_RETURN(const int64_t pattern, get_size(config, "sliding_window_pattern", 6));
  WDE_RETURN_IF_ERROR(read_gemma_windows(
      config, [&](int64_t l) { return (l + 1) % pattern != 0; }, &gemma));
  // Where it is "use_bidirectional_attention" that says so, half of it to each side.
  const bool halved = mask_field(config) == "use_bidirectional_attention";
  if (halved && gemma.mask == MaskKind::kBidirectional) gemma.window /= 2;
  WDE_RETURN_IF_ERROR(read_gemma3_ropes(config, &gemma));
  return gemma;
}

Result<DecoderConfig> DecoderConfig::of_eurobert(const json::object& config, MaskKind) {
  WDE_ASSIGN_OR_RETURN(
      DecoderConfig euro,
      read_common(config, {.max_positions = 8192, .norm_epsilon = 1e-5}, MaskKind::kBidirectional));
  euro.mask = MaskKind::kBidirectional;
  WDE_ASSIGN_OR_RETURN(euro.projection_bias, get_bias(config, "attention_bias", Bias::kAbsent));
  euro.output_bias = euro.projection_bias;
  WDE_ASSIGN_OR_RETURN(euro.mlp_bias, get_bias(config, "mlp_bias", Bias::kAbsent));
  WDE_RETURN_IF_ERROR(read_rope(config, 10000, &euro));
  return euro;
}

}  // namespace wde::models
