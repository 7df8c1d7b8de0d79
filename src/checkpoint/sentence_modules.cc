#include "checkpoint/sentence_modules.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/relative_path.h"
#include "checkpoint/router.h"

namespace wde::checkpoint {
namespace {

constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr size_t kMaxModules = 64;
constexpr std::string_view kPooled = "sentence_embedding";
constexpr std::string_view kTokens = "token_embeddings";
// PyLate's own, which is on tokens; and its other spelling.
constexpr std::string_view kPylateDense = "pylate.models.Dense.Dense";
constexpr std::string_view kShortPylateDense = "pylate.models.Dense";
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
// (from 5.4 on). kPylateDense for PyLate's, empty for everybody else's.
std::string_view class_of(std::string_view type) {
  if (type == kPylateDense || type == kShortPylateDense) return kPylateDense;
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

// Dense and Normalize work on the pooled vector, or on every token's. Nothing where the config does
// not say.
Result<std::optional<bool>> read_token_level(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(std::string output, json::get_string(config, "module_output_name", ""));
  WDE_ASSIGN_OR_RETURN(const std::string input,
                       json::get_string(config, "module_input_name", output));
  if (input.empty()) return std::optional<bool>();
  if (output.empty()) output = input;
  for (const std::string& name : {input, output}) {
    if (name != kPooled && name != kTokens) {
      return unsupported_error(
          "module_input_name and module_output_name \"{}\" are not supported, "
          "only \"{}\" and \"{}\"",
          name, kPooled, kTokens);
    }
  }
  if (input != output) {
    return unsupported_error("a module from \"{}\" to \"{}\" is not supported", input, output);
  }
  return std::optional<bool>(input == kTokens);
}

Result<DenseModule> read_dense(const json::object& config) {
  DenseModule dense;
  WDE_ASSIGN_OR_RETURN(dense.token_level, read_token_level(config));
  WDE_ASSIGN_OR_RETURN(dense.in_features, json::get_int(config, "in_features", 0));
  WDE_ASSIGN_OR_RETURN(dense.out_features, json::get_int(config, "out_features", 0));
  WDE_ASSIGN_OR_RETURN(dense.bias, json::get_bool(config, "bias", true));
  WDE_ASSIGN_OR_RETURN(dense.activation,
                       json::get_string(config, "activation_function", kDefaultActivation));
  WDE_ASSIGN_OR_RETURN(dense.residual, json::get_bool(config, "use_residual", false));
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
  if (dense.residual && dense.in_features != dense.out_features) {
    const Result<TensorView> residual =
        dense.weights->tensor("residual.weight", Shape{dense.out_features, dense.in_features});
    WDE_RETURN_IF_ERROR(residual.status().with_context(folder));
  }
  if (!dense.bias) return Status();
  return dense.weights->tensor("linear.bias", Shape{dense.out_features})
      .status()
      .with_context(folder);
}

Result<LayerNormModule> read_layer_norm(const json::object& config) {
  LayerNormModule norm;
  WDE_ASSIGN_OR_RETURN(norm.dimension, json::get_int(config, "dimension", 0));
  if (norm.dimension <= 0) return data_loss_error("\"dimension\" must be above 0");
  return norm;
}

Result<NormalizeModule> read_normalize(const std::string& folder) {
  NormalizeModule normalize;
  const std::string config_path = folder + "/config.json";
  if (!file_exists(config_path)) return normalize;  // before 6.0 it had none
  WDE_ASSIGN_OR_RETURN(const json::object config, read_object(config_path));
  const Result<std::optional<bool>> token_level = read_token_level(config);
  if (!token_level.ok()) return token_level.status().with_context(config_path);
  normalize.token_level = token_level->value_or(false);
  return normalize;
}

Result<SpladePoolingModule> read_splade_pooling(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(const std::string strategy,
                       json::get_string(config, "pooling_strategy", "max"));
  if (strategy != "max") {
    return unsupported_error("pooling_strategy \"{}\" is not supported; \"max\" is", strategy);
  }
  WDE_ASSIGN_OR_RETURN(const std::string activation,
                       json::get_string(config, "activation_function", "relu"));
  if (activation != "relu" && activation != "log1p_relu") {
    return unsupported_error(
        "activation_function \"{}\" is not supported; \"relu\" and \"log1p_relu\" are", activation);
  }
  return SpladePoolingModule{.second_logarithm = activation == "log1p_relu"};
}

Result<LogitScoreModule> read_logit_score(const json::object& config) {
  LogitScoreModule score;
  if (!config.contains("true_token_id")) return data_loss_error("\"true_token_id\" is missing");
  WDE_ASSIGN_OR_RETURN(score.true_token, json::get_int(config, "true_token_id", -1));
  const json::value* other = config.if_contains("false_token_id");
  if (other != nullptr && !other->is_null()) {
    WDE_ASSIGN_OR_RETURN(score.false_token, json::get_int(config, "false_token_id", -1));
  }
  WDE_ASSIGN_OR_RETURN(const std::string input,
                       json::get_string(config, "module_input_name", "causal_logits"));
  if (input == "causal_logits") return score;
  return unsupported_error("module_input_name \"{}\" is not supported; \"causal_logits\" is",
                           input);
}

// The modules that are described by their config.json alone.
Result<Module> read_module(std::string_view class_name, const json::object& config) {
  if (class_name == PoolingModule::kClass) {
    WDE_ASSIGN_OR_RETURN(PoolingModule pooling, read_pooling(config));
    return Module(std::move(pooling));
  }
  if (class_name == SpladePoolingModule::kClass) {
    WDE_ASSIGN_OR_RETURN(const SpladePoolingModule splade, read_splade_pooling(config));
    return Module(splade);
  }
  if (class_name == LogitScoreModule::kClass) {
    WDE_ASSIGN_OR_RETURN(const LogitScoreModule score, read_logit_score(config));
    return Module(score);
  }
  if (class_name == LayerNormModule::kClass) {
    WDE_ASSIGN_OR_RETURN(LayerNormModule norm, read_layer_norm(config));
    return Module(std::move(norm));
  }
  WDE_ASSIGN_OR_RETURN(DenseModule dense, read_dense(config));
  if (class_name == kPylateDense) dense.token_level = dense.token_level.value_or(true);
  return Module(std::move(dense));
}

Status add_module(std::string_view class_name, const std::string& folder,
                  const ReadOptions& options, ModuleList* list) {
  if (class_name == NormalizeModule::kClass) {
    WDE_ASSIGN_OR_RETURN(const NormalizeModule normalize, read_normalize(folder));
    list->modules.emplace_back(normalize);
    return Status();
  }
  const std::string config_path = folder + "/config.json";
  WDE_ASSIGN_OR_RETURN(json::object config, read_object(config_path));
  if (class_name == MultiVectorMaskModule::kClass) {
    list->mask_config = std::move(config);
    list->modules.emplace_back(MultiVectorMaskModule{});
    return Status();
  }
  Result<Module> module = read_module(class_name, config);
  if (!module.ok()) return module.status().with_context(config_path);
  auto* dense = std::get_if<DenseModule>(&*module);
  if (dense != nullptr && options.weights) WDE_RETURN_IF_ERROR(open_dense_weights(folder, *dense));
  auto* norm = std::get_if<LayerNormModule>(&*module);
  if (norm != nullptr && options.weights) {
    WDE_ASSIGN_OR_RETURN(norm->weights, open_weights(folder));
  }
  list->modules.push_back(std::move(module).value());
  return Status();
}

constexpr auto kModuleClasses = std::to_array<std::string_view>(
    {PoolingModule::kClass, DenseModule::kClass, LayerNormModule::kClass, NormalizeModule::kClass,
     SpladePoolingModule::kClass, MultiVectorMaskModule::kClass, LogitScoreModule::kClass,
     kPylateDense});

struct InputClass {
  std::string_view name;
  InputModule module;
};
// Up to 5.3 a masked language model's module had a name of its own.
constexpr auto kInputClasses = std::to_array<InputClass>({
    {"Transformer", InputModule::kTransformer},
    {"MLMTransformer", InputModule::kTransformer},
    {"StaticEmbedding", InputModule::kStaticEmbedding},
    {"SparseStaticEmbedding", InputModule::kSparseStaticEmbedding},
});

// The modules with every Router replaced by those of its route.
Result<std::vector<ModuleEntry>> follow_routers(const std::string& folder,
                                                const std::vector<ModuleEntry>& entries,
                                                const ReadOptions& options, ModuleList* list) {
  std::vector<ModuleEntry> followed;
  for (const ModuleEntry& entry : entries) {
    const std::string_view class_name = class_of(entry.type);
    if (class_name != "Router" && class_name != "Asym") {
      followed.push_back(entry);
      continue;
    }
    if (!list->routes.empty()) return unsupported_error("{}: more than one Router", folder);
    WDE_ASSIGN_OR_RETURN(
        Route route,
        read_router(entry.path.empty() ? folder : folder + "/" + entry.path, options.route));
    list->routes = std::move(route.names);
    list->route = std::move(route.name);
    for (ModuleEntry& module : route.modules) {
      if (!entry.path.empty()) module.path = entry.path + "/" + module.path;
      followed.push_back(std::move(module));
    }
  }
  return followed;
}

}  // namespace

Result<ModuleList> read_sentence_modules(const std::string& folder, const ReadOptions& options) {
  const std::string path = folder + "/modules.json";
  ModuleList list;
  WDE_ASSIGN_OR_RETURN(std::vector<ModuleEntry> entries, read_entries(path));
  WDE_ASSIGN_OR_RETURN(entries, follow_routers(folder, entries, options, &list));
  const std::string_view first = class_of(entries.front().type);
  const auto* input = std::find_if(kInputClasses.begin(), kInputClasses.end(),
                                   [&](const InputClass& known) { return known.name == first; });
  if (input == kInputClasses.end()) {
    return unsupported_error(
        "{}: the first module is {}; only sentence_transformers' Transformer, StaticEmbedding and "
        "SparseStaticEmbedding are supported",
        path, entries.front().type);
  }
  list.input = input->module;
  list.transformer_path = entries.front().path;
  for (size_t i = 1; i < entries.size(); ++i) {
    const std::string_view class_name = class_of(entries[i].type);
    if (class_name == "Dropout") continue;
    if (std::find(kModuleClasses.begin(), kModuleClasses.end(), class_name) ==
        kModuleClasses.end()) {
      return unsupported_error("{}: module type {} is not supported (Transformer, Dropout, {} are)",
                               path, entries[i].type, fmt::join(kModuleClasses, ", "));
    }
    WDE_RETURN_IF_ERROR(add_module(class_name, folder + "/" + entries[i].path, options, &list));
  }
  return list;
}

}  // namespace wde::checkpoint
