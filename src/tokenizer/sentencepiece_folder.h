// Folders that hold a sentencepiece model and no tokenizer.json (XLM-R, T5, ALBERT, DeBERTa, Llama,
// Gemma, …). They are turned into the tokenizer.json that transformers would make of them.
#pragma once

#include <string>

#include "base/json.h"
#include "base/status.h"

namespace wde::tokenizer {

// `file` is the model's name in `folder`; tokenizer_config.json and its relatives may be absent.
// The family is told by tokenizer_class, else by config.json's model_type. Errors: kDataLoss,
// kIoError, kUnsupported (a family that is not known here: named, with the known ones).
Result<json::object> spec_from_sentencepiece(const std::string& folder, const std::string& file);

}  // namespace wde::tokenizer
