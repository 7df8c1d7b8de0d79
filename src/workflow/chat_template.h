// Where a model's files keep the template that puts messages to it, and the tokens that templates
// call by name.
#pragma once

#include <string>

#include "base/json.h"
#include "checkpoint/model_folder.h"

namespace wde::workflow {

struct ChatTemplate {
  std::string text;
  std::string where;  // the file, for messages
};

// chat_template.jinja, chat_template.json, or "chat_template" of tokenizer_config.json, in this
// order, of the model's folder, then of the models that it is an adapter of; else the GGUF file's
// own. Errors: kUnsupported (there is none), kDataLoss (a broken file).
Result<ChatTemplate> find_chat_template(const checkpoint::ModelFolder& folder);

// The texts of "bos_token", "eos_token", …: of tokenizer_config.json, else of
// special_tokens_map.json; of a GGUF file, of the ids that it names. Those that nothing names are
// absent. Errors: kDataLoss (a broken file, an id outside the vocabulary).
Result<json::object> named_tokens(const checkpoint::ModelFolder& folder);

}  // namespace wde::workflow
