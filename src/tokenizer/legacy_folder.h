// Tokenizers of the time before tokenizer.json: vocab.txt with tokenizer_config.json and
// special_tokens_map.json. They are turned into the tokenizer.json that transformers would make of
// them.
#pragma once

#include <string>

#include "base/json.h"
#include "base/status.h"

namespace wde::tokenizer {

inline constexpr size_t kMaxTokenizerFileBytes = size_t{256} << 20;

// `folder` must hold vocab.txt; the other files may be absent. Errors: kDataLoss, kUnsupported (a
// tokenizer_class that does not go with vocab.txt), kIoError.
Result<json::object> spec_from_vocab_txt(const std::string& folder);

}  // namespace wde::tokenizer
