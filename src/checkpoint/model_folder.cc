#include "checkpoint/model_folder.h"

#include <algorithm>
#include <array>

#include "base/file.h"
#include "checkpoint/gguf_model.h"
#include "checkpoint/hub_cache.h"
#include "checkpoint/lora.h"
#include "checkpoint/lora_config.h"
#include "checkpoint/packed_weights.h"
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
  folder.architectures.clear();
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
    Result<ProcessingConfig> processing = read_processing_config(config);
    if (!processing.ok()) return processing.status().with_context(path);
    folder.processing = std::move(processing).value();
    folder.max_seq_length =
        folder.processing.max_length ? folder.processing.max_length : *max_seq_length;
    folder.do_lower_case = *lower_case;
    return Status();
  }
  return Status();
}

Status read_tokenizer_config(ModelFolder& folder) {
  const std::string path = folder.tokenizer_path + "/tokenizer_config.json";
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
  folder.tokenizer_path = folder.path;
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
  folder.tokenizer_path = folder.transformer_path;
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

// ------------------------------------------------------------------ adapters' folders

constexpr int kMostBases = 4;  // of adapters that stand on each other

constexpr auto kTokenizerFiles =
    std::to_array<std::string_view>({"tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model",
                                     "spiece.model", "spm.model", "sentencepiece.bpe.model"});

bool has_tokenizer(const std::string& folder) {
  return std::any_of(kTokenizerFiles.begin(), kTokenizerFiles.end(), [&](std::string_view name) {
    return file_exists(folder + "/" + std::string(name));
  });
}

Result<ModelFolder> read_folder(const std::string& path, const ReadOptions& options, int depth);

// Takes from the base model what the adapter's folder lacks: the files of sentence-transformers
// together, config.json, the tokenizer, and always the weights.
Status read_base(const ReadOptions& options, int depth, ModelFolder& folder) {
  const std::string adapter = folder.transformer_path;
  WDE_ASSIGN_OR_RETURN(const LoraConfig config, read_lora_config(adapter));
  const std::string& name = config.base_model;
  const auto context = [&](const Status& status) {
    return status.with_context(adapter + "/" + kAdapterConfigName + ": the base model \"" + name +
                               "\"");
  };
  if (depth == kMostBases) return context(data_loss_error("stands on too many others"));
  std::string path = adapter + "/" + name;  // a folder beside the adapter
  if (name.empty() || name.starts_with('/') || !directory_exists(path)) path = name;
  if (options.find_base) {
    Result<std::string> found = options.find_base(path, config.base_revision);
    if (!found.ok()) return context(found.status());
    path = std::move(found).value();
  }
  Result<ModelFolder> read = read_folder(path, options, depth + 1);
  if (!read.ok()) return context(read.status());
  ModelFolder& base = read.value();
  if (base.input != InputModule::kTransformer)
    return context(unsupported_error("{} is no transformer", path));
  const bool own_tokenizer = has_tokenizer(adapter);
  const std::string tokenizer_path = own_tokenizer ? adapter : base.tokenizer_path;
  if (own_tokenizer) base.vocabulary.reset();
  base.base_paths.insert(base.base_paths.begin(), base.transformer_path);
  const bool has_modules = file_exists(folder.path + "/modules.json");
  if (has_modules) {
    folder.base_paths = std::move(base.base_paths);
    folder.gguf_chat_template = std::move(base.gguf_chat_template);
    folder.config = std::move(base.config);
    folder.architectures = std::move(base.architectures);
    folder.weights = std::move(base.weights);
    folder.vocabulary = std::move(base.vocabulary);
  } else {
    base.path = folder.path;
    base.transformer_path = adapter;
    base.revision = folder.revision;
    base.late_interaction.reset();
    std::swap(folder, base);
  }
  folder.tokenizer_path = tokenizer_path;
  return {};
}

Status open_merged_weights(ModelFolder& folder) {
  const std::string& path = folder.transformer_path;
  if (has_weights(path) || !is_adapter(path)) {
    WDE_ASSIGN_OR_RETURN(folder.weights, open_weights(path));
    auto unpacked = unpack_quantized(folder.weights, folder.config);
    if (!unpacked.ok()) return unpacked.status().with_context(path);
    folder.weights = std::move(unpacked).value();
  }
  if (!file_exists(path + "/" + kAdapterConfigName)) return {};
  WDE_ASSIGN_OR_RETURN(folder.weights, merge_lora(folder.weights, path));
  return {};
}

// A folder's terms for what a GGUF file says.
Result<ModelFolder> read_gguf(const std::string& path, const ReadOptions& options) {
  WDE_ASSIGN_OR_RETURN(GgufFile file, open_gguf(path));
  Result<GgufModel> model = read_gguf_model(std::move(file));
  if (!model.ok()) return model.status().with_context(path);
  ModelFolder folder;
  folder.path = folder.transformer_path = folder.tokenizer_path = path;
  folder.config = std::move(model->config);
  for (const json::value& name : folder.config["architectures"].as_array())
    folder.architectures.emplace_back(name.as_string());
  folder.vocabulary = std::move(model->vocabulary);
  folder.gguf_chat_template = std::move(model->chat_template);
  if (!model->pooling.empty()) {
    folder.modules.push_back(PoolingModule{
        .modes = {model->pooling}, .embedding_dimension = folder.config["hidden_size"].as_int64()});
  }
  if (options.weights) folder.weights = std::move(model->weights);
  return folder;
}

Result<ModelFolder> read_folder(const std::string& path, const ReadOptions& options, int depth) {
  WDE_ASSIGN_OR_RETURN(const std::string gguf, find_gguf(path));
  if (!gguf.empty() && !is_adapter(path)) return read_gguf(gguf, options);
  WDE_ASSIGN_OR_RETURN(ModelFolder folder, open_folder(path));
  json::object mask_config;
  WDE_RETURN_IF_ERROR(read_modules(folder, options, &mask_config));
  if (folder.input == InputModule::kTransformer) {
    if (is_adapter(folder.transformer_path)) {
      WDE_RETURN_IF_ERROR(read_base(options, depth, folder));
    }
    if (folder.config.empty() || file_exists(folder.transformer_path + "/config.json")) {
      WDE_RETURN_IF_ERROR(read_config(folder));
    }
  } else {
    WDE_RETURN_IF_ERROR(read_static_table(options, &folder));
  }
  WDE_RETURN_IF_ERROR(read_sentence_config(folder));
  WDE_RETURN_IF_ERROR(read_tokenizer_config(folder));
  WDE_RETURN_IF_ERROR(read_sentence_transformers_config(folder));
  WDE_RETURN_IF_ERROR(read_multi_vector_files(folder, mask_config));
  if (options.weights && folder.input == InputModule::kTransformer) {
    WDE_RETURN_IF_ERROR(open_merged_weights(folder));
  }
  return folder;
}

}  // namespace

Result<std::string> find_gguf(const std::string& path) {
  constexpr std::string_view kEnding = ".gguf";
  if (path.ends_with(kEnding) && file_exists(path)) return path;
  if (!directory_exists(path) || file_exists(path + "/config.json")) return std::string();
  WDE_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_folder(path));
  std::string found;
  for (const std::string& name : names) {
    if (!name.ends_with(kEnding) || !file_exists(path + "/" + name)) continue;
    if (!found.empty()) {
      return data_loss_error("{} holds several GGUF files ({} and {}): name one", path, found,
                             name);
    }
    found = name;
  }
  return found.empty() ? found : path + "/" + found;
}

bool is_adapter(const std::string& folder) {
  return file_exists(folder + "/" + kAdapterConfigName) && !has_weights(folder);
}

Result<ModelFolder> read_model_folder(const std::string& path, const ReadOptions& options) {
  WDE_ASSIGN_OR_RETURN(ModelFolder folder, read_folder(path, options, 0));
  if (!options.lora.empty() && folder.input != InputModule::kTransformer) {
    return unsupported_error("{}: --lora with a model that is no transformer", path);
  }
  for (const std::string& adapter : options.lora) {
    WDE_ASSIGN_OR_RETURN(const LoraConfig config, read_lora_config(adapter));
    if (!options.weights) continue;
    WDE_ASSIGN_OR_RETURN(folder.weights, merge_lora(folder.weights, adapter));
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
