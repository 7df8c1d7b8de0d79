// Byte-pair tokenizers of the time before tokenizer.json: vocab.json and merges.txt with
// tokenizer_config.json and special_tokens_map.json. They are turned into the tokenizer.json that
// transformers would make of them.
#pragma once

#include <string>

#include "base/json.h"
#include "base/status.h"

namespace wde::tokenizer {

// `folder` must hold vocab.json and merges.txt; of the other files, what names the kind:
// "tokenizer_class" in tokenizer_config.json, else "model_type" in config.json. Errors: kDataLoss,
// kUnsupported (a kind that is not known here), kIoError.
Result<json::object> spec_from_vocab_and_merges(const std::string& folder);

}  // namespace wde::tokenizer
