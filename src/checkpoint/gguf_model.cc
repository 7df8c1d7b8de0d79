#include "checkpoint/gguf_model.h"

#include <algorithm>
#include <utility>

#include "checkpoint/gguf_config.h"
#include "checkpoint/gguf_tensors.h"

namespace wde::checkpoint {
namespace {

constexpr std::string_view kVocabularyPrefix = "tokenizer.ggml.";

// llama.cpp's enum llama_pooling_type.
Result<std::string> pooling_name(int64_t type) {
  switch (type) {
    case -1:
    case 0:
      return std::string();
    case 1:
      return std::string("mean");
    case 2:
      return std::string("cls");
    case 3:
      return std::string("lasttoken");
    default:
      return unsupported_error("a \"pooling_type\" of {}", type);
  }
}

}  // namespace

Result<GgufModel> read_gguf_model(GgufFile file) {
  GgufModel model;
  WDE_ASSIGN_OR_RETURN(const GgufConfig config, GgufConfig::read(file.metadata, *file.tensors));
  WDE_ASSIGN_OR_RETURN(model.pooling, pooling_name(config.pooling_type));
  model.config = config.config;
  WDE_ASSIGN_OR_RETURN(model.weights, rename_gguf_tensors(file.tensors, config));
  WDE_ASSIGN_OR_RETURN(model.chat_template,
                       json::get_string(file.metadata, "tokenizer.chat_template", ""));
  for (auto& member : file.metadata) {
    const std::string_view key = member.key();
    if (!key.starts_with(kVocabularyPrefix)) continue;
    model.vocabulary[key.substr(kVocabularyPrefix.size())] = std::move(member.value());
  }
  return model;
}

}  // namespace wde::checkpoint
