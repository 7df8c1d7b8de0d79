#include "checkpoint/lora_config.h"

#include <algorithm>
#include <cmath>

namespace wde::checkpoint {
namespace {

constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr int64_t kMaxRank = 1 << 16;

// Fields that make another computation of an adapter; off where they are absent, null, false or
// empty.
constexpr std::string_view kRefusedFields[] = {
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "lora_bias",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
    "alora_invocation_tokens",
    "arrow_config",
    "monteclora_config",
    "velora_config",
    "megatron_config",
    "kasa_config",
};

// Ways to begin an adapter's training that leave the base model's weights alone. The others (PiSSA,
// OLoRA, CorDA, LoftQ, ...) take a part of the weights away: what is stored is the difference to a
// base that is not the one stored. (PEFT, LoraConfig: init_lora_weights.)
constexpr std::string_view kHarmlessStarts[] = {"gaussian", "eva", "orthogonal"};

bool is_off(const json::value* field) {
  if (field == nullptr || field->is_null()) return true;
  if (const bool* flag = field->if_bool()) return !*flag;
  if (const json::array* list = field->if_array()) return list->empty();
  if (const json::object* object = field->if_object()) return object->empty();
  return false;
}

Status check_kind(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(const std::string type, json::get_string(config, "peft_type", "LORA"));
  if (type != "LORA") {
    return unsupported_error("\"peft_type\": \"{}\"; only LORA adapters are merged", type);
  }
  for (const std::string_view field : kRefusedFields) {
    if (is_off(config.if_contains(field))) continue;
    return unsupported_error("\"{}\"{} is not merged here", field,
                             field == "use_dora" ? " (DoRA)" : "");
  }
  const json::value* start = config.if_contains("init_lora_weights");
  if (start == nullptr || start->is_null() || start->is_bool()) return {};
  WDE_ASSIGN_OR_RETURN(const std::string name, json::get_string(config, "init_lora_weights", ""));
  if (std::find(std::begin(kHarmlessStarts), std::end(kHarmlessStarts), name) !=
      std::end(kHarmlessStarts)) {
    return {};
  }
  return unsupported_error(
      "\"init_lora_weights\": \"{}\" may stand on other weights than the base model's; known: "
      "true, false, gaussian, eva, orthogonal",
      name);
}

// PEFT reads a key as a regular expression behind any prefix of names. What is written in practice,
// names joined by dots, is read here; whatever else would be guessing.
Result<std::string> read_pattern_key(std::string_view field, std::string_view key) {
  std::string plain;
  for (size_t i = 0; i < key.size(); ++i) {
    if (key[i] == '\\' && i + 1 < key.size() && key[i + 1] == '.') continue;
    const char c = key[i];
    const bool begin = c == '^' && i == 0;
    const bool name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-' || c == '.';
    if (!begin && !name) {
      return unsupported_error(
          "\"{}\": the key \"{}\" is a regular expression; names of modules are read", field, key);
    }
    plain += c;
  }
  return plain;
}

Status read_patterns(const json::object& config, LoraConfig& lora) {
  WDE_ASSIGN_OR_RETURN(const json::object* ranks, json::get_object(config, "rank_pattern"));
  if (ranks != nullptr) {
    for (const auto& member : *ranks) {
      WDE_ASSIGN_OR_RETURN(const int64_t rank, json::get_int(*ranks, member.key(), 0));
      WDE_ASSIGN_OR_RETURN(std::string key, read_pattern_key("rank_pattern", member.key()));
      if (rank < 1 || rank > kMaxRank)
        return data_loss_error("\"rank_pattern\": a rank of {}", rank);
      lora.rank_pattern.emplace_back(std::move(key), rank);
    }
  }
  WDE_ASSIGN_OR_RETURN(const json::object* alphas, json::get_object(config, "alpha_pattern"));
  if (alphas == nullptr) return {};
  for (const auto& member : *alphas) {
    WDE_ASSIGN_OR_RETURN(const double alpha, json::get_double(*alphas, member.key(), 0));
    WDE_ASSIGN_OR_RETURN(std::string key, read_pattern_key("alpha_pattern", member.key()));
    lora.alpha_pattern.emplace_back(std::move(key), alpha);
  }
  return {};
}

Result<LoraConfig> read_fields(const json::object& config) {
  WDE_RETURN_IF_ERROR(check_kind(config));
  LoraConfig lora;
  WDE_ASSIGN_OR_RETURN(lora.base_model, json::get_string(config, "base_model_name_or_path", ""));
  WDE_ASSIGN_OR_RETURN(lora.base_revision, json::get_string(config, "revision", ""));
  WDE_ASSIGN_OR_RETURN(lora.rank, json::get_int(config, "r", lora.rank));
  if (lora.rank < 1 || lora.rank > kMaxRank) return data_loss_error("\"r\": {}", lora.rank);
  WDE_ASSIGN_OR_RETURN(lora.alpha, json::get_double(config, "lora_alpha", lora.alpha));
  WDE_ASSIGN_OR_RETURN(lora.rank_stabilized, json::get_bool(config, "use_rslora", false));
  WDE_ASSIGN_OR_RETURN(lora.fan_in_fan_out, json::get_bool(config, "fan_in_fan_out", false));
  WDE_ASSIGN_OR_RETURN(const std::string bias, json::get_string(config, "bias", "none"));
  if (bias != "none" && bias != "all" && bias != "lora_only") {
    return unsupported_error("\"bias\": \"{}\"; known: none, all, lora_only", bias);
  }
  lora.trains_biases = bias != "none";
  WDE_ASSIGN_OR_RETURN(const json::array* saved, json::get_array(config, "modules_to_save"));
  if (saved != nullptr) {
    for (const json::value& module : *saved) {
      const auto* name = module.if_string();
      if (name == nullptr) return data_loss_error("\"modules_to_save\" must hold strings");
      lora.modules_to_save.emplace_back(*name);
    }
  }
  WDE_RETURN_IF_ERROR(read_patterns(config, lora));
  return lora;
}

// As PEFT's get_pattern_key: `key` is the module's last names, or with "^" all of them.
bool matches(std::string_view key, std::string_view module) {
  if (key.starts_with('^')) return key.substr(1) == module;
  if (!module.ends_with(key)) return false;
  return module.size() == key.size() || module[module.size() - key.size() - 1] == '.';
}

template <class Value>
Value look_up(const std::vector<std::pair<std::string, Value>>& patterns, std::string_view module,
              Value fallback) {
  for (const auto& [key, value] : patterns) {
    if (matches(key, module)) return value;
  }
  return fallback;
}

}  // namespace

int64_t LoraConfig::rank_of(std::string_view module) const {
  return look_up(rank_pattern, module, rank);
}

double LoraConfig::scale_of(std::string_view module) const {
  const auto r = static_cast<double>(rank_of(module));
  return look_up(alpha_pattern, module, alpha) / (rank_stabilized ? std::sqrt(r) : r);
}

bool LoraConfig::saves(std::string_view module) const {
  // A module saved whole brings those inside it too.
  for (size_t end = module.size(); end != std::string_view::npos;
       end = end == 0 ? std::string_view::npos : module.find_last_of('.', end - 1)) {
    const std::string_view name = module.substr(0, end);
    if (std::any_of(modules_to_save.begin(), modules_to_save.end(),
                    [&](const std::string& saved) { return matches(saved, name); })) {
      return true;
    }
  }
  return false;
}

Result<LoraConfig> read_lora_config(const std::string& folder) {
  const std::string path = folder + "/" + kAdapterConfigName;
  WDE_ASSIGN_OR_RETURN(const json::value parsed, json::parse_file(path, kMaxConfigBytes));
  const json::object* config = parsed.if_object();
  if (config == nullptr) return data_loss_error("{}: must be a JSON object", path);
  Result<LoraConfig> lora = read_fields(*config);
  if (!lora.ok()) return lora.status().with_context(path);
  return lora;
}

}  // namespace wde::checkpoint
