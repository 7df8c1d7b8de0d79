#include "workflow/chat_template.h"

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "pipeline/jinja/template.h"

namespace wde::workflow {
namespace {

constexpr size_t kMaxTemplateBytes = pipeline::jinja::Template::kMaxBytes;

// What templates call a token, and the keys of its id in a GGUF file, without "tokenizer.ggml.".
struct NamedToken {
  std::string_view name;
  std::array<std::string_view, 2> gguf_keys;
};
constexpr NamedToken kNamedTokens[] = {
    {"bos_token", {"bos_token_id"}},
    {"eos_token", {"eos_token_id"}},
    {"pad_token", {"padding_token_id"}},
    {"unk_token", {"unknown_token_id"}},
    {"sep_token", {"seperator_token_id", "separator_token_id"}},
    {"cls_token", {"cls_token_id"}},
    {"mask_token", {"mask_token_id"}},
};

// A file of the folder that may be absent: an empty object then.
Result<json::object> read_object_if_there(const std::string& path) {
  if (!file_exists(path)) return json::object();
  WDE_ASSIGN_OR_RETURN(json::value parsed, json::parse_file(path));
  if (parsed.is_object()) return std::move(parsed.as_object());
  return data_loss_error("{}: must be a JSON object", path);
}

// "chat_template" is a text, or a list of named ones, of which "default" counts.
std::optional<std::string> template_in(const json::object& config) {
  const json::value* found = config.if_contains("chat_template");
  if (found != nullptr && found->is_array()) {
    for (const json::value& entry : found->as_array()) {
      const json::object* named = entry.if_object();
      const json::value* name = named == nullptr ? nullptr : named->if_contains("name");
      if (name != nullptr && *name == "default") found = named->if_contains("template");
    }
  }
  if (found == nullptr || !found->is_string()) return std::nullopt;
  return std::string(found->as_string());
}

Result<std::optional<ChatTemplate>> template_of(const std::string& folder) {
  const std::string jinja = folder + "/chat_template.jinja";
  if (file_exists(jinja)) {
    WDE_ASSIGN_OR_RETURN(std::string text, read_file(jinja, kMaxTemplateBytes));
    return std::optional<ChatTemplate>({std::move(text), jinja});
  }
  for (const char* name : {"/chat_template.json", "/tokenizer_config.json"}) {
    WDE_ASSIGN_OR_RETURN(const json::object config, read_object_if_there(folder + name));
    if (auto text = template_in(config))
      return std::optional<ChatTemplate>({*std::move(text), folder + name});
  }
  return std::optional<ChatTemplate>();
}

// "<s>", or {"content": "<s>", …}.
const json::value* token_in(const json::object& config, std::string_view name) {
  const json::value* token = config.if_contains(name);
  if (token != nullptr && token->is_object()) token = token->as_object().if_contains("content");
  return token != nullptr && token->is_string() ? token : nullptr;
}

Result<json::object> named_gguf_tokens(const json::object& vocabulary) {
  WDE_ASSIGN_OR_RETURN(const json::array* texts, json::get_array(vocabulary, "tokens"));
  json::object tokens;
  for (const NamedToken& named : kNamedTokens) {
    for (const std::string_view key : named.gguf_keys) {
      if (key.empty() || !vocabulary.contains(key)) continue;
      WDE_ASSIGN_OR_RETURN(const int64_t id, json::get_int(vocabulary, key, -1));
      if (id == int64_t{0xffffffff}) continue;  // llama.cpp's word for none
      if (texts == nullptr || id < 0 || static_cast<size_t>(id) >= texts->size())
        return data_loss_error("\"tokenizer.ggml.{}\" is {}, outside the vocabulary", key, id);
      tokens[named.name] = (*texts)[static_cast<size_t>(id)];
    }
  }
  return tokens;
}

}  // namespace

Result<ChatTemplate> find_chat_template(const checkpoint::ModelFolder& folder) {
  std::vector<std::string> places = {folder.transformer_path};
  if (folder.tokenizer_path != folder.transformer_path) places.push_back(folder.tokenizer_path);
  places.insert(places.end(), folder.base_paths.begin(), folder.base_paths.end());
  for (const std::string& place : places) {
    if (!directory_exists(place)) continue;  // a GGUF file
    WDE_ASSIGN_OR_RETURN(auto found, template_of(place));
    if (found) return *std::move(found);
  }
  if (!folder.gguf_chat_template.empty())
    return ChatTemplate{folder.gguf_chat_template,
                        folder.path + ": \"tokenizer.chat_template\" of the GGUF file"};
  return unsupported_error(
      "{}: no chat template says how a pair is put to the model (chat_template.jinja, "
      "chat_template.json, or \"chat_template\" of tokenizer_config.json); --rerank-template names "
      "one",
      folder.transformer_path);
}

Result<json::object> named_tokens(const checkpoint::ModelFolder& folder) {
  if (folder.vocabulary) return named_gguf_tokens(*folder.vocabulary);
  json::object tokens;
  for (const char* file : {"/tokenizer_config.json", "/special_tokens_map.json"}) {
    WDE_ASSIGN_OR_RETURN(const json::object config,
                         read_object_if_there(folder.tokenizer_path + file));
    for (const NamedToken& named : kNamedTokens) {
      const json::value* token = token_in(config, named.name);
      if (token != nullptr && !tokens.contains(named.name)) tokens[named.name] = *token;
    }
  }
  return tokens;
}

}  // namespace wde::workflow
