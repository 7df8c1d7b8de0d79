#include "checkpoint/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <span>
#include <vector>

#include "tensor/computed_rows.h"

namespace wde::checkpoint {
namespace {

constexpr GgufArchitecture kArchitectures[] = {
    {.name = "llama",
     .model_type = "llama",
     .class_name = "LlamaForCausalLM",
     .permutes_heads = true},
    {.name = "qwen2", .model_type = "qwen2", .class_name = "Qwen2ForCausalLM"},
    {.name = "qwen3", .model_type = "qwen3", .class_name = "Qwen3ForCausalLM"},
    {.name = "gemma",
     .model_type = "gemma",
     .class_name = "GemmaForCausalLM",
     .norms_add_one = true},
    {.name = "gemma2",
     .model_type = "gemma2",
     .class_name = "Gemma2ForCausalLM",
     .norms_add_one = true},
    {.name = "gemma3",
     .model_type = "gemma3_text",
     .class_name = "Gemma3ForCausalLM",
     .norms_add_one = true},
    {.name = "bert", .model_type = "bert", .class_name = "BertModel"},
};

Result<const GgufArchitecture*> find_architecture(std::string_view name) {
  std::string known;
  for (const GgufArchitecture& architecture : kArchitectures) {
    if (architecture.name == name) return &architecture;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", architecture.name);
  }
  return unsupported_error("\"general.architecture\": \"{}\" is not read from GGUF; there are: {}",
                           name, known);
}

// The metadata of one model, its keys without the architecture's prefix.
class Keys {
 public:
  Keys(const json::object& metadata, std::string_view architecture)
      : metadata_(metadata), prefix_(std::string(architecture) + ".") {}

  std::string full(std::string_view key) const { return prefix_ + std::string(key); }
  bool has(std::string_view key) const { return metadata_.contains(full(key)); }

  Result<int64_t> size(std::string_view key) const {
    WDE_ASSIGN_OR_RETURN(const int64_t size, json::get_int(metadata_, full(key), 0));
    if (size >= 1 && size < int64_t{1} << 40) return size;
    return data_loss_error("\"{}\" {}", full(key),
                           has(key) ? fmt::format("is {}", size) : "is missing");
  }
  Result<int64_t> integer(std::string_view key, int64_t fallback) const {
    return json::get_int(metadata_, full(key), fallback);
  }
  Result<double> real(std::string_view key, double fallback) const {
    return json::get_double(metadata_, full(key), fallback);
  }
  Result<bool> flag(std::string_view key, bool fallback) const {
    return json::get_bool(metadata_, full(key), fallback);
  }
  Result<std::string> text(std::string_view key, std::string_view fallback) const {
    return json::get_string(metadata_, full(key), fallback);
  }
  // Copies a number where the file has it.
  Status copy(std::string_view key, json::object& config, std::string_view field) const {
    if (!has(key)) return {};
    WDE_ASSIGN_OR_RETURN(const double value, real(key, 0));
    config[field] = value;
    return {};
  }

 private:
  const json::object& metadata_;
  std::string prefix_;
};

// The rows of a tensor that must be there.
Result<int64_t> rows_of(const WeightSource& tensors, std::string_view name) {
  WDE_ASSIGN_OR_RETURN(const TensorView view, tensors.tensor(name));
  return view.rows();
}

Status read_sizes(const Keys& keys, const WeightSource& tensors, GgufConfig* model) {
  json::object& config = model->config;
  WDE_ASSIGN_OR_RETURN(config["hidden_size"], keys.size("embedding_length"));
  WDE_ASSIGN_OR_RETURN(config["num_hidden_layers"], keys.size("block_count"));
  WDE_ASSIGN_OR_RETURN(config["intermediate_size"], keys.size("feed_forward_length"));
  WDE_ASSIGN_OR_RETURN(config["max_position_embeddings"], keys.size("context_length"));
  WDE_ASSIGN_OR_RETURN(config["vocab_size"], rows_of(tensors, "token_embd.weight"));
  WDE_ASSIGN_OR_RETURN(model->heads, keys.size("attention.head_count"));
  WDE_ASSIGN_OR_RETURN(model->kv_heads, keys.integer("attention.head_count_kv", model->heads));
  if (model->kv_heads < 1 || model->heads % model->kv_heads != 0) {
    return data_loss_error("\"{}\" is {} for {} heads", keys.full("attention.head_count_kv"),
                           model->kv_heads, model->heads);
  }
  config["num_attention_heads"] = model->heads;
  WDE_ASSIGN_OR_RETURN(model->pooling_type, keys.integer("pooling_type", -1));
  WDE_ASSIGN_OR_RETURN(const int64_t experts, keys.integer("expert_count", 0));
  if (experts > 0) {
    return unsupported_error("\"{}\": {}; a mixture of experts", keys.full("expert_count"),
                             experts);
  }
  if (keys.has("attention.causal")) {
    WDE_ASSIGN_OR_RETURN(config["is_causal"], keys.flag("attention.causal", true));
  }
  return {};
}

// Keys that change the computation and are not read, unless they say the number that changes
// nothing. (llama.cpp, src/llama-arch.cpp: LLM_KV_NAMES.)
struct UnreadKey {
  std::string_view key;
  std::optional<double> neutral = std::nullopt;
};
constexpr UnreadKey kUnreadKeys[] = {
    {.key = "attention.scale"},
    {.key = "attention.output_scale"},
    {.key = "attention.temperature_length"},
    {.key = "attention.temperature_scale"},
    {.key = "attention.clamp_kqv", .neutral = 0},
    {.key = "attention.max_alibi_bias", .neutral = 0},
    {.key = "attention.key_length_mla"},
    {.key = "attention.value_length_mla"},
    {.key = "attention.key_length_swa"},
    {.key = "attention.value_length_swa"},
    {.key = "embedding_scale", .neutral = 1},
    {.key = "residual_scale", .neutral = 1},
    {.key = "logit_scale", .neutral = 1},
    {.key = "rope.scale_linear", .neutral = 1},
    {.key = "rope.dimension_sections"},
    {.key = "rope.scaling.attn_factor", .neutral = 1},
    {.key = "rope.scaling.yarn_ext_factor", .neutral = 1},
    {.key = "rope.scaling.yarn_attn_factor", .neutral = 1},
    {.key = "rope.scaling.yarn_beta_fast", .neutral = 32},
    {.key = "rope.scaling.yarn_beta_slow", .neutral = 1},
};
// Those that Gemma 2 and 3, or the latter alone, read.
constexpr UnreadKey kGemma2Keys[] = {
    {.key = "attn_logit_softcapping", .neutral = 0},
    {.key = "final_logit_softcapping", .neutral = 0},
};
constexpr UnreadKey kGemma3Keys[] = {
    {.key = "attention.sliding_window_pattern"},
    {.key = "rope.freq_base_swa"},
};

Status refuse_unread(const Keys& keys, std::span<const UnreadKey> unread) {
  for (const UnreadKey& entry : unread) {
    if (!keys.has(entry.key)) continue;
    if (entry.neutral) {
      WDE_ASSIGN_OR_RETURN(const double value, keys.real(entry.key, *entry.neutral));
      if (value == *entry.neutral) continue;
    }
    return unsupported_error("\"{}\" changes the computation and is not read",
                             keys.full(entry.key));
  }
  return {};
}

// A window that no text of the model's length is longer than changes nothing.
Status refuse_window(const Keys& keys, int64_t positions) {
  constexpr std::string_view kKey = "attention.sliding_window";
  WDE_ASSIGN_OR_RETURN(const int64_t window, keys.integer(kKey, 0));
  if (window == 0 || window >= positions) return {};
  return unsupported_error("\"{}\": {}; this architecture's windows are not read", keys.full(kKey),
                           window);
}

Status refuse_unread_keys(const Keys& keys, const GgufConfig& model) {
  const std::string_view name = model.architecture->name;
  WDE_RETURN_IF_ERROR(refuse_unread(keys, kUnreadKeys));
  if (name != "gemma3") WDE_RETURN_IF_ERROR(refuse_unread(keys, kGemma3Keys));
  if (name == "gemma2" || name == "gemma3") return {};
  WDE_RETURN_IF_ERROR(refuse_unread(keys, kGemma2Keys));
  return refuse_window(keys, model.config.at("max_position_embeddings").as_int64());
}

// ------------------------------------------------------------------ rotary positions

// Llama 3's scaling, of which a file keeps only what each frequency is divided by. (Meta,
// llama-models, models/llama3/model.py: apply_scaling.)
double llama3_factor(double frequency, double factor) {
  constexpr double kLow = 1, kHigh = 4, kOriginal = 8192;
  const double wavelength = 2 * std::numbers::pi / frequency;
  if (wavelength < kOriginal / kHigh) return 1;
  if (wavelength > kOriginal / kLow) return factor;
  const double smooth = (kOriginal / wavelength - kLow) / (kHigh - kLow);
  return 1 / ((1 - smooth) / factor + smooth);
}

Status read_llama3_factors(const WeightSource& tensors, double theta, int64_t head_size,
                           json::object& config) {
  WDE_ASSIGN_OR_RETURN(const TensorView view,
                       tensors.tensor("rope_freqs.weight", Shape{head_size / 2}));
  std::vector<float> factors(static_cast<size_t>(head_size / 2));
  read_f32(view, factors.data());
  const double largest = *std::max_element(factors.begin(), factors.end());
  for (size_t i = 0; i < factors.size(); ++i) {
    const double frequency =
        std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_size));
    if (!(std::abs(factors[i] - llama3_factor(frequency, largest)) <= 1e-3 * largest)) {
      return unsupported_error(
          "tensor \"rope_freqs.weight\": factors that are not Llama 3's (element {} is {})", i,
          factors[i]);
    }
  }
  config["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", largest},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", 8192}};
  return {};
}

Status read_rope_scaling(const Keys& keys, json::object& config) {
  // As llama.cpp takes a factor alone.
  const char* otherwise = keys.has("rope.scaling.factor") ? "linear" : "none";
  WDE_ASSIGN_OR_RETURN(const std::string type, keys.text("rope.scaling.type", otherwise));
  if (type == "none") return {};
  WDE_ASSIGN_OR_RETURN(const double factor, keys.real("rope.scaling.factor", 0));
  if (!(factor > 0))
    return data_loss_error("\"{}\" is {}", keys.full("rope.scaling.factor"), factor);
  json::object scaling = {{"rope_type", type}, {"factor", factor}};
  if (type == "yarn") {
    if (keys.has("rope.scaling.attn_factor") || keys.has("rope.scaling.yarn_log_multiplier")) {
      return unsupported_error("\"{}\" with a factor of its own for attention",
                               keys.full("rope.scaling.type"));
    }
    WDE_ASSIGN_OR_RETURN(scaling["original_max_position_embeddings"],
                         keys.size("rope.scaling.original_context_length"));
  } else if (type != "linear") {
    return unsupported_error("\"{}\": \"{}\"; known: none, linear, yarn",
                             keys.full("rope.scaling.type"), type);
  }
  config["rope_scaling"] = std::move(scaling);
  return {};
}

Status read_rope(const Keys& keys, const WeightSource& tensors, double theta, int64_t head_size,
                 json::object& config) {
  WDE_ASSIGN_OR_RETURN(theta, keys.real("rope.freq_base", theta));
  config["rope_theta"] = theta;
  WDE_ASSIGN_OR_RETURN(const int64_t turned, keys.integer("rope.dimension_count", head_size));
  if (turned != head_size) {
    return unsupported_error("\"{}\": {} of {} elements of a head",
                             keys.full("rope.dimension_count"), turned, head_size);
  }
  WDE_RETURN_IF_ERROR(read_rope_scaling(keys, config));
  if (!tensors.has("rope_freqs.weight")) return {};
  if (config.contains("rope_scaling"))
    return unsupported_error("\"{}\" beside \"rope_freqs.weight\"", keys.full("rope.scaling.type"));
  return read_llama3_factors(tensors, theta, head_size, config);
}

// ------------------------------------------------------------------ architectures

Status read_decoder(const Keys& keys, const WeightSource& tensors, double theta,
                    GgufConfig* model) {
  json::object& config = model->config;
  config["num_key_value_heads"] = model->kv_heads;
  const int64_t hidden = config["hidden_size"].as_int64();
  WDE_ASSIGN_OR_RETURN(const int64_t head_size,
                       keys.integer("attention.key_length", hidden / model->heads));
  WDE_ASSIGN_OR_RETURN(const int64_t value_size, keys.integer("attention.value_length", head_size));
  if (head_size < 2 || value_size != head_size) {
    return unsupported_error("heads of {} elements with values of {}", head_size, value_size);
  }
  config["head_dim"] = head_size;
  if (!keys.has("attention.layer_norm_rms_epsilon"))
    return data_loss_error("\"{}\" is missing", keys.full("attention.layer_norm_rms_epsilon"));
  WDE_ASSIGN_OR_RETURN(config["rms_norm_eps"], keys.real("attention.layer_norm_rms_epsilon", 0));
  config["tie_word_embeddings"] = !tensors.has("output.weight");
  config["hidden_act"] = "silu";
  config["attention_bias"] = tensors.has("blk.0.attn_q.bias");
  return read_rope(keys, tensors, theta, head_size, config);
}

Status read_gemma(const Keys& keys, const WeightSource& tensors, GgufConfig* model) {
  const std::string_view name = model->architecture->name;
  WDE_RETURN_IF_ERROR(read_decoder(keys, tensors, name == "gemma3" ? 1e6 : 1e4, model));
  json::object& config = model->config;
  config["hidden_act"] = "gelu_pytorch_tanh";
  config["hidden_activation"] = "gelu_pytorch_tanh";
  if (name == "gemma") return {};
  // What is absent is as the class has it, but for Gemma 3's windows: without the key there are
  // none (llama.cpp, src/llama-model.cpp).
  if (keys.has("attention.sliding_window")) {
    WDE_ASSIGN_OR_RETURN(config["sliding_window"], keys.size("attention.sliding_window"));
  } else if (name == "gemma3") {
    config["sliding_window"] = nullptr;
  }
  WDE_RETURN_IF_ERROR(keys.copy("attn_logit_softcapping", config, "attn_logit_softcapping"));
  WDE_RETURN_IF_ERROR(keys.copy("final_logit_softcapping", config, "final_logit_softcapping"));
  // The file does not say by what scores are scaled; the largest of each series alone departs from
  // the size of a head (llama.cpp, src/llama-model.cpp: f_attention_scale).
  const int64_t layers = config["num_hidden_layers"].as_int64();
  const bool largest = layers == (name == "gemma2" ? 46 : 62);
  config["query_pre_attn_scalar"] =
      largest ? config["hidden_size"].as_int64() / model->heads : config["head_dim"].as_int64();
  if (name == "gemma3") {
    WDE_ASSIGN_OR_RETURN(config["rope_local_base_freq"], keys.real("rope.freq_base_swa", 10000));
    config["sliding_window_pattern"] = 6;
    if (keys.has("attention.sliding_window_pattern")) {
      WDE_ASSIGN_OR_RETURN(config["sliding_window_pattern"],
                           keys.size("attention.sliding_window_pattern"));
    }
  }
  return {};
}

Status read_bert(const Keys& keys, const WeightSource& tensors, GgufConfig* model) {
  json::object& config = model->config;
  WDE_ASSIGN_OR_RETURN(const bool causal, keys.flag("attention.causal", false));
  if (causal) return unsupported_error("\"{}\" of an encoder", keys.full("attention.causal"));
  if (!keys.has("attention.layer_norm_epsilon"))
    return data_loss_error("\"{}\" is missing", keys.full("attention.layer_norm_epsilon"));
  WDE_ASSIGN_OR_RETURN(config["layer_norm_eps"], keys.real("attention.layer_norm_epsilon", 0));
  WDE_ASSIGN_OR_RETURN(config["type_vocab_size"], rows_of(tensors, "token_types.weight"));
  WDE_ASSIGN_OR_RETURN(config["max_position_embeddings"], rows_of(tensors, "position_embd.weight"));
  config["hidden_act"] = "gelu";
  return {};
}

}  // namespace

Result<GgufConfig> GgufConfig::read(const json::object& metadata, const WeightSource& tensors) {
  GgufConfig model;
  WDE_ASSIGN_OR_RETURN(const std::string name,
                       json::get_string(metadata, "general.architecture", ""));
  WDE_ASSIGN_OR_RETURN(model.architecture, find_architecture(name));
  model.config["architectures"] = json::array{json::value(model.architecture->class_name)};
  model.config["model_type"] = model.architecture->model_type;
  const Keys keys(metadata, name);
  WDE_RETURN_IF_ERROR(read_sizes(keys, tensors, &model));
  WDE_RETURN_IF_ERROR(refuse_unread_keys(keys, model));
  if (name == "bert") {
    WDE_RETURN_IF_ERROR(read_bert(keys, tensors, &model));
  } else if (name.starts_with("gemma")) {
    WDE_RETURN_IF_ERROR(read_gemma(keys, tensors, &model));
  } else {
    WDE_RETURN_IF_ERROR(read_decoder(keys, tensors, 10000, &model));
  }
  return model;
}

}  // namespace wde::checkpoint
