// The vocabulary of a GGUF file ("tokenizer.ggml.*") told in tokenizer.json's form: sentencepiece's
// BPE by scores, byte-level BPE, WordPiece. The content is hostile.
#pragma once

#include "base/json.h"
#include "base/status.h"

namespace wde::tokenizer {

// `vocabulary`: the keys without "tokenizer.ggml.": "model", "tokens", "scores", "token_type",
// "merges", "pre", "bos_token_id", …  Errors: kDataLoss, kUnsupported (another model or "pre", by
// its name).
Result<json::object> spec_from_gguf(const json::object& vocabulary);

}  // namespace wde::tokenizer
