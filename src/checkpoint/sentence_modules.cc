#include "checkpoint/sentence_modules.h"

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/relative_path.h"

namespace wde::checkpoint {
namespace {

constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr size_t kMaxModules = 64;
constexpr std::string_view kDefaultInput = "sentence_embedding";
constexpr std::string_view kDefaultActivation = "torch.nn.modules.activation.Tanh";

struct PoolingSpelling {
  std::string_view flag;  // up to 4.x, and still read by all
  std::string_view mode;
};

// In the order in which sentence-transformers concatenates several.
constexpr auto kPoolingSpellings = std::to_array<PoolingSpelling>({
    {"pooling_mode_cls_token", "cls"},
    {"pooling_mode_max_tokens", "max"},
    {"pooling_mode_mean_tokens", "mean"},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"},
    {"pooling_mode_weightedmean_tokens", "weightedmean"},
    {"pooling_mode_lasttoken", "lasttoken"},
});

struct ModuleEntry {
  std::string type;  // "sentence_transformers.models.Pooling"
  std::string path;  // relative; "" is the folder itself
};

Result<json::object> read_object(const std::string& path) {
  WDE_ASSIGN_OR_RETURN(json::value parsed, json::parse_file(path, kMaxConfigBytes));
  if (json::object* object = parsed.if_object()) return std::move(*object);
  return data_loss_error("{}: must be a JSON object", path);
}

Result<ModuleEntry> read_entry(const json::value& described) {
  const json::object* fields = described.if_object();
  if (fields == nullptr) return data_loss_error("each module must be an object");
  ModuleEntry entry;
  WDE_ASSIGN_OR_RETURN(entry.type, json::get_string(*fields, "type", ""));
  WDE_ASSIGN_OR_RETURN(entry.path, json::get_string(*fields, "path", ""));
  if (entry.path.ends_with('/')) entry.path.pop_back();
  if (!entry.path.empty() && !is_inside_path(entry.path)) {
    return data_loss_error("the path \"{}\" of module {} leaves the folder", entry.path,
                           entry.type);
  }
  return entry;
}

Result<std::vector<ModuleEntry>> read_entries(const std::string& path) {
  WDE_ASSIGN_OR_RETURN(const json::value parsed, json::parse_file(path, kMaxConfigBytes));
  const json::array* described = parsed.if_array();
  if (described == nullptr || described->empty() || described->size() > kMaxModules) {
    return data_loss_error("{}: must be an array of 1 to {} modules", path, kMaxModules);
  }
  std::vector<ModuleEntry> entries;
  for (const json::value& module : *described) {
    Result<ModuleEntry> entry = read_entry(module);
    if (!entry.ok()) return entry.status().with_context(path);
    entries.push_back(std::move(entry).value());
  }
  return entries;
}

// The class of a module of sentence-transformers' own, whose packages moved between releases:
// "sentence_transformers.models.Dense" (to 5.3), "sentence_transformers.base.modules.dense.Dense"
// (from 5.4 on). Empty for everybody else's.
std::string_view own_class(std::string_view type) {
  if (!type.starts_with("sentence_transformers.")) return "";
  return type.substr(type.rfind('.') + 1);
}

Result<std::vector<std::string>> read_flagged_modes(const json::object& config) {
  std::vector<std::string> modes;
  for (const PoolingSpelling& spelling : kPoolingSpellings) {
    WDE_ASSIGN_OR_RETURN(const bool chosen, json::get_bool(config, spelling.flag, false));
    if (chosen) modes.emplace_back(spelling.mode);
  }
  if (modes.empty()) modes.emplace_back("mean");
  return modes;
}

Result<std::vector<std::string>> read_pooling_modes(const json::object& config) {
  const json::value* named = config.if_contains("pooling_mode");
  if (named == nullptr || named->is_null()) return read_flagged_modes(config);
  std::vector<std::string> modes;
  if (const auto* one = named->if_string()) modes.emplace_back(*one);
  if (const json::array* several = named->if_array()) {
    for (const json::value& mode : *several) {
      const auto* text = mode.if_string();
      modes.emplace_back(text == nullptr ? "" : std::string_view(*text));
    }
  }
  if (modes.empty()) return data_loss_error("\"pooling_mode\" must be a name or a list of names");
  for (const std::string& mode : modes) {
    const bool known =
        std::any_of(kPoolingSpellings.begin(), kPoolingSpellings.end(),
                    [&](const PoolingSpelling& spelling) { return spelling.mode == mode; });
    if (!known) return unsupported_error("pooling mode \"{}\" is not supported", mode);
  }
  return modes;
}

Result<PoolingModule> read_pooling(const json::object& config) {
  PoolingModule pooling;
  WDE_ASSIGN_OR_RETURN(pooling.modes, read_pooling_modes(config));
  WDE_ASSIGN_OR_RETURN(const int64_t older, json::get_int(config, "word_embedding_dimension", 0));
  WDE_ASSIGN_OR_RETURN(pooling.embedding_dimension,
                       json::get_int(config, "embedding_dimension", older));
  WDE_ASSIGN_OR_RETURN(pooling.include_prompt, json::get_bool(config, "include_prompt", true));
  if (pooling.embedding_dimension <= 0) {
    return data_loss_error(
        "\"word_embedding_dimension\" (or \"embedding_dimension\") must be above 0");
  }
  return pooling;
}

// Dense and Normalize work on the pooled vector here, and on nothing else.
Status check_input_and_output(const json::object& config) {
  for (const std::string_view key : {"module_input_name", "module_output_name"}) {
    WDE_ASSIGN_OR_RETURN(const std::string name, json::get_string(config, key, kDefaultInput));
    if (name != kDefaultInput) {
      return unsupported_error("\"{}\": \"{}\" is not supported, only \"{}\"", key, name,
                               kDefaultInput);
    }
  }
  return Status();
}

Result<DenseModule> read_dense(const json::object& config) {
  DenseModule dense;
  WDE_RETURN_IF_ERROR(check_input_and_output(config));
  WDE_ASSIGN_OR_RETURN(dense.in_features, json::get_int(config, "in_features", 0));
  WDE_ASSIGN_OR_RETURN(dense.out_features, json::get_int(config, "out_features", 0));
  WDE_ASSIGN_OR_RETURN(dense.bias, json::get_bool(config, "bias", true));
  WDE_ASSIGN_OR_RETURN(dense.activation,
                       json::get_string(config, "activation_function", kDefaultActivation));
  WDE_ASSIGN_OR_RETURN(const bool residual, json::get_bool(config, "use_residual", false));
  if (residual) return unsupported_error("\"use_residual\": true is not supported");
  if (dense.in_features <= 0 || dense.out_features <= 0) {
    return data_loss_error("\"in_features\" and \"out_features\" must be above 0");
  }
  return dense;
}

Status open_dense_weights(const std::string& folder, DenseModule& dense) {
  WDE_ASSIGN_OR_RETURN(dense.weights, open_weights(folder));
  const Result<TensorView> weight =
      dense.weights->tensor("linear.weight", Shape{dense.out_features, dense.in_features});
  WDE_RETURN_IF_ERROR(weight.status().with_context(folder));
  if (!dense.bias) return Status();
  return dense.weights->tensor("linear.bias", Shape{dense.out_features})
      .status()
      .with_context(folder);
}

Status check_normalize(const std::string& folder) {
  const std::string config_path = folder + "/config.json";
  if (!file_exists(config_path)) return Status();  // before 6.0 it had none
  WDE_ASSIGN_OR_RETURN(const json::object config, read_object(config_path));
  return check_input_and_output(config).with_context(config_path);
}

Status add_module(std::string_view class_name, const std::string& folder,
                  const ReadOptions& options, std::vector<Module>& modules) {
  if (class_name == "Normalize") {
    modules.emplace_back(NormalizeModule{});
    return check_normalize(folder);
  }
  const std::string config_path = folder + "/config.json";
  WDE_ASSIGN_OR_RETURN(const json::object config, read_object(config_path));
  if (class_name == "Pooling") {
    Result<PoolingModule> pooling = read_pooling(config);
    if (!pooling.ok()) return pooling.status().with_context(config_path);
    modules.emplace_back(std::move(pooling).value());
    return Status();
  }
  Result<DenseModule> dense = read_dense(config);
  if (!dense.ok()) return dense.status().with_context(config_path);
  if (options.weights) WDE_RETURN_IF_ERROR(open_dense_weights(folder, *dense));
  modules.emplace_back(std::move(dense).value());
  return Status();
}

}  // namespace

Result<ModuleList> read_sentence_modules(const std::string& folder, const ReadOptions& options) {
  const std::string path = folder + "/modules.json";
  WDE_ASSIGN_OR_RETURN(const std::vector<ModuleEntry> entries, read_entries(path));
  if (own_class(entries.front().type) != "Transformer") {
    return unsupported_error(
        "{}: the first module is {}; only sentence_transformers' Transformer is supported", path,
        entries.front().type);
  }
  ModuleList list;
  list.transformer_path = entries.front().path;
  for (size_t i = 1; i < entries.size(); ++i) {
    const std::string_view class_name = own_class(entries[i].type);
    if (class_name == "Dropout") continue;
    if (class_name != "Pooling" && class_name != "Dense" && class_name != "Normalize") {
      return unsupported_error(
          "{}: module type {} is not supported (Transformer, Pooling, Dense, Normalize and "
          "Dropout are)",
          path, entries[i].type);
    }
    WDE_RETURN_IF_ERROR(
        add_module(class_name, folder + "/" + entries[i].path, options, list.modules));
  }
  return list;
}

}  // namespace wde::checkpoint
