#include "checkpoint/processing_config.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace wde::checkpoint {
namespace {

// Nothing is padded, and tensors are of one kind.
constexpr auto kWithoutEffect =
    std::to_array<std::string_view>({"padding", "padding_side", "pad_to_multiple_of",
                                     "return_tensors", "return_attention_mask", "logits_to_keep"});
constexpr auto kOtherModalities = std::to_array<std::string_view>({"audio", "image", "video"});
// Of apply_chat_template() itself; all else is the template's.
constexpr auto kTemplateCall = std::to_array<std::string_view>(
    {"chat_template", "continue_final_message", "tokenize", "return_dict", "tokenizer_kwargs",
     "return_assistant_tokens_mask"});

template <class Names>
bool among(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Status not_read(std::string_view section, std::string_view key) {
  return unsupported_error(
      "\"processing_kwargs\": \"{}\" of \"{}\", or the value that it has, is not read", key,
      section);
}

// Settings of the tokenizer, which may stand in each section. `*known`: it was one.
Status read_tokenizer_setting(std::string_view section, std::string_view key,
                              const json::value& value, ProcessingConfig* config, bool* known) {
  *known = true;
  if (among(kWithoutEffect, key)) return {};
  if (key == "max_length") {
    const int64_t* length = value.if_int64();
    if (length == nullptr || *length < 1) return not_read(section, key);
    config->max_length = *length;
    return {};
  }
  if (key == "truncation" || key == "add_special_tokens") {
    const bool usual = value == json::value(true) ||
                       (key == "truncation" && value == json::value("longest_first"));
    return usual ? Status() : not_read(section, key);
  }
  *known = false;
  return {};
}

Status read_template_setting(std::string_view key, const json::value& value,
                             ProcessingConfig* config) {
  constexpr std::string_view kSection = "chat_template";
  if (key == "restore_suffix") {
    if (!value.is_bool()) return not_read(kSection, key);
    config->restores_end = value.get_bool();
    return {};
  }
  if (among(kTemplateCall, key)) {
    const bool off = value.is_null() || value == json::value(false);
    return off ? Status() : not_read(kSection, key);
  }
  bool known = false;
  WDE_RETURN_IF_ERROR(read_tokenizer_setting(kSection, key, value, config, &known));
  if (!known) config->template_variables[key] = value;
  return {};
}

Status read_processing(const json::object& processing, ProcessingConfig* config) {
  // Where several sections say the same, the later of these counts.
  for (const std::string_view section : {"common", "text", "chat_template"}) {
    WDE_ASSIGN_OR_RETURN(const json::object* settings, json::get_object(processing, section));
    if (settings == nullptr) continue;
    for (const auto& [key, value] : *settings) {
      if (section == "chat_template") {
        WDE_RETURN_IF_ERROR(read_template_setting(key, value, config));
        continue;
      }
      bool known = false;
      WDE_RETURN_IF_ERROR(read_tokenizer_setting(section, key, value, config, &known));
      if (!known) return not_read(section, key);
    }
  }
  for (const auto& member : processing) {
    const std::string_view section = member.key();
    if (section == "common" || section == "text" || section == "chat_template") continue;
    if (!among(kOtherModalities, section))
      return unsupported_error("\"processing_kwargs\": \"{}\" is not read", section);
  }
  return {};
}

Status read_modalities(const json::object& modalities, ProcessingConfig* config) {
  WDE_ASSIGN_OR_RETURN(const json::object* message, json::get_object(modalities, "message"));
  if (message == nullptr) return {};
  config->messages = true;
  WDE_ASSIGN_OR_RETURN(const std::string format, json::get_string(*message, "format", "auto"));
  if (format == "flat") {
    config->format = ProcessingConfig::Format::kFlat;
  } else if (format == "structured") {
    config->format = ProcessingConfig::Format::kStructured;
  } else if (format != "auto") {
    return unsupported_error(
        "\"modality_config\": the format \"{}\" of messages; known: flat, structured, auto",
        format);
  }
  return {};
}

}  // namespace

Result<ProcessingConfig> read_processing_config(const json::object& sentence_config) {
  ProcessingConfig config;
  WDE_ASSIGN_OR_RETURN(const json::object* processing,
                       json::get_object(sentence_config, "processing_kwargs"));
  if (processing != nullptr) WDE_RETURN_IF_ERROR(read_processing(*processing, &config));
  WDE_ASSIGN_OR_RETURN(const json::object* modalities,
                       json::get_object(sentence_config, "modality_config"));
  if (modalities != nullptr) WDE_RETURN_IF_ERROR(read_modalities(*modalities, &config));
  return config;
}

}  // namespace wde::checkpoint
