#include "checkpoint/model_folder.h"

#include <algorithm>
#include <array>

#include "base/file.h"
#include "checkpoint/hub_cache.h"
#include "checkpoint/sentence_modules.h"
#include "checkpoint/static_table.h"

namespace wde::checkpoint {
namespace {

constexpr size_t kMaxConfigBytes = size_t{64} << 20;
// transformers writes 1e30 for "no limit"; no model takes a text of 2^40 tokens.
constexpr int64_t kNoLimitTokens = int64_t{1} << 40;

// sentence-transformers 1 named the file after the model's kind; all of its later releases read
// these.
constexpr auto kSentenceConfigNames = std::to_array<std::string_view>({
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
});

Result<json::object> read_object(const std::string& path) {
  WDE_ASSIGN_OR_RETURN(json::value parsed, json::parse_file(path, kMaxConfigBytes));
  if (json::object* object = parsed.if_object()) return std::move(*object);
  return data_loss_error("{}: must be a JSON object", path);
}

Status read_config(ModelFolder& folder) {
  const std::string path = folder.transformer_path + "/config.json";
  if (!file_exists(path))
    return not_found_error("{}: no config.json (not a model's folder?)", folder.transformer_path);
  WDE_ASSIGN_OR_RETURN(folder.config, read_object(path));
  const Result<const json::array*> architectures = json::get_array(folder.config, "architectures");
  if (!architectures.ok()) return architectures.status().with_context(path);
  if (*architectures == nullptr) return Status();
  for (const json::value& architecture : **architectures) {
    const auto* name = architecture.if_string();
    if (name == nullptr) return data_loss_error("{}: \"architectures\" must hold strings", path);
    folder.architectures.emplace_back(*name);
  }
  return Status();
}

// A number of tokens above 0, or nothing where the file gives none or no real limit.
Result<std::optional<int64_t>> read_limit_tokens(const json::object& config, std::string_view key) {
  WDE_ASSIGN_OR_RETURN(const int64_t limit, json::get_int(config, key, kNoLimitTokens));
  if (limit <= 0) return data_loss_error("\"{}\" must be above 0, not {}", key, limit);
  if (limit >= kNoLimitTokens) return std::optional<int64_t>();
  return std::optional<int64_t>(limit);
}

Status read_sentence_config(ModelFolder& folder) {
  for (const std::string_view name : kSentenceConfigNames) {
    const std::string path = folder.transformer_path + "/" + std::string(name);
    if (!file_exists(path)) continue;
    WDE_ASSIGN_OR_RETURN(const json::object config, read_object(path));
    const auto max_seq_length = read_limit_tokens(config, "max_seq_length");
    if (!max_seq_length.ok()) return max_seq_length.status().with_context(path);
    const Result<bool> lower_case = json::get_bool(config, "do_lower_case", false);
    if (!lower_case.ok()) return lower_case.status().with_context(path);
    folder.max_seq_length = *max_seq_length;
    folder.do_lower_case = *lower_case;
    return Status();
  }
  return Status();
}

Status read_tokenizer_config(ModelFolder& folder) {
  const std::string path = folder.transformer_path + "/tokenizer_config.json";
  if (!file_exists(path)) return Status();
  WDE_ASSIGN_OR_RETURN(const json::object config, read_object(path));
  const auto limit = read_limit_tokens(config, "model_max_length");
  if (!limit.ok()) return limit.status().with_context(path);
  folder.model_max_length = *limit;
  return Status();
}

Status read_prompts(const json::object& config, ModelFolder& folder) {
  WDE_ASSIGN_OR_RETURN(const json::object* prompts, json::get_object(config, "prompts"));
  if (prompts != nullptr) {
    for (const auto& member : *prompts) {
      const std::string name(member.key());
      WDE_ASSIGN_OR_RETURN(folder.prompts[name], json::get_string(*prompts, name, ""));
    }
  }
  WDE_ASSIGN_OR_RETURN(const std::string chosen,
                       json::get_string(config, "default_prompt_name", ""));
  if (chosen.empty()) return Status();
  // sentence-transformers knows these two as empty prompts even where a model names none.
  if (chosen == "query" || chosen == "document") folder.prompts.try_emplace(chosen);
  if (folder.prompts.count(chosen) == 0) {
    return data_loss_error("\"default_prompt_name\": \"{}\" is not among \"prompts\"", chosen);
  }
  folder.default_prompt_name = chosen;
  return Status();
}

Status read_sentence_transformers_config(ModelFolder& folder) {
  const std::string path = folder.path + "/config_sentence_transformers.json";
  if (!file_exists(path)) return Status();
  WDE_ASSIGN_OR_RETURN(const json::object config, read_object(path));
  Result<std::string> similarity = json::get_string(config, "similarity_fn_name", "");
  if (!similarity.ok()) return similarity.status().with_context(path);
  folder.similarity = std::move(similarity).value();
  Result<std::string> activation = json::get_string(config, "activation_fn", "");
  if (!activation.ok()) return activation.status().with_context(path);
  folder.activation_fn = std::move(activation).value();
  const auto dimensions = json::get_int(config, "truncate_dim", 0);
  if (!dimensions.ok()) return dimensions.status().with_context(path);
  if (*dimensions < 0) return data_loss_error("{}: \"truncate_dim\": {}", path, *dimensions);
  if (*dimensions > 0) folder.truncate_dim = *dimensions;
  return read_prompts(config, folder).with_context(path);
}

// The commit when `path` is …/snapshots/<40 hex digits> of the hub cache.
std::string snapshot_revision(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || !path.substr(0, slash).ends_with("/snapshots")) return "";
  std::string name = path.substr(slash + 1);
  return is_commit(name) ? name : "";
}

// A folder that is there, of which nothing is read yet.
Result<ModelFolder> open_folder(const std::string& path) {
  if (!directory_exists(path)) return not_found_error("{}: no such folder", path);
  ModelFolder folder;
  folder.path = path;
  while (folder.path.size() > 1 && folder.path.back() == '/') folder.path.pop_back();
  folder.transformer_path = folder.path;
  folder.revision = snapshot_revision(folder.path);
  return folder;
}

// `*mask_config` is the MultiVectorMask's, where there is one.
Status read_modules(ModelFolder& folder, const ReadOptions& options, json::object* mask_config) {
  if (!file_exists(folder.path + "/modules.json")) return Status();
  WDE_ASSIGN_OR_RETURN(ModuleList list, read_sentence_modules(folder.path, options));
  folder.modules = std::move(list.modules);
  folder.input = list.input;
  folder.routes = std::move(list.routes);
  folder.route = std::move(list.route);
  *mask_config = std::move(list.mask_config);
  if (!list.transformer_path.empty()) folder.transformer_path += "/" + list.transformer_path;
  return Status();
}

// A file that may be absent.
Result<std::optional<json::object>> read_if_there(const std::string& path) {
  if (!file_exists(path)) return std::optional<json::object>();
  WDE_ASSIGN_OR_RETURN(json::object read, read_object(path));
  return std::optional<json::object>(std::move(read));
}

Status read_multi_vector_files(ModelFolder& folder, const json::object& mask_config) {
  WDE_ASSIGN_OR_RETURN(const auto sentence,
                       read_if_there(folder.transformer_path + "/sentence_bert_config.json"));
  WDE_ASSIGN_OR_RETURN(const auto library,
                       read_if_there(folder.path + "/config_sentence_transformers.json"));
  WDE_ASSIGN_OR_RETURN(const auto artifact, read_if_there(folder.path + "/artifact.metadata"));
  const bool masks = std::any_of(
      folder.modules.begin(), folder.modules.end(),
      [](const Module& module) { return std::holds_alternative<MultiVectorMaskModule>(module); });
  auto read = read_late_interaction({.config = &folder.config,
                                     .sentence_config = sentence ? &*sentence : nullptr,
                                     .library_config = library ? &*library : nullptr,
                                     .mask_module = masks ? &mask_config : nullptr,
                                     .artifact = artifact ? &*artifact : nullptr});
  if (!read.ok()) return read.status().with_context(folder.path);
  folder.late_interaction = std::move(read).value();
  return Status();
}

}  // namespace

Result<ModelFolder> read_model_folder(const std::string& path, const ReadOptions& options) {
  WDE_ASSIGN_OR_RETURN(ModelFolder folder, open_folder(path));
  json::object mask_config;
  WDE_RETURN_IF_ERROR(read_modules(folder, options, &mask_config));
  if (folder.input == InputModule::kTransformer) {
    WDE_RETURN_IF_ERROR(read_config(folder));
  } else {
    WDE_RETURN_IF_ERROR(read_static_table(options, &folder));
  }
  WDE_RETURN_IF_ERROR(read_sentence_config(folder));
  WDE_RETURN_IF_ERROR(read_tokenizer_config(folder));
  WDE_RETURN_IF_ERROR(read_sentence_transformers_config(folder));
  WDE_RETURN_IF_ERROR(read_multi_vector_files(folder, mask_config));
  if (options.weights && folder.input == InputModule::kTransformer) {
    WDE_ASSIGN_OR_RETURN(folder.weights, open_weights(folder.transformer_path));
  }
  return folder;
}

Result<std::string> find_transformer_folder(const std::string& path, const std::string& route) {
  WDE_ASSIGN_OR_RETURN(ModelFolder folder, open_folder(path));
  json::object mask_config;
  WDE_RETURN_IF_ERROR(read_modules(folder, {.weights = false, .route = route}, &mask_config));
  return std::move(folder.transformer_path);
}

}  // namespace wde::checkpoint
