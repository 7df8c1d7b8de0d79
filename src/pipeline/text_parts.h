// An over-long text as several that fit the length limit (OverLong::kAverage).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "tokenizer/tokenizer.h"

namespace wde::pipeline {

struct TextPart {
  tokenizer::Encoding encoding;  // as of a text of its own
  int64_t own_tokens = 0;        // without the prompt's and special ones
};

// Cuts what follows the first `prompt_tokens` of `ids` into runs: as few as `options.max_length`
// allows, of lengths that differ by one at most, longer ones first. Each stands behind the prompt's
// tokens, with the special tokens that the options add. `ids` are without special tokens. Errors:
// kInvalidArgument where the prompt leaves no room for a text.
Result<std::vector<TextPart>> cut_into_parts(const tokenizer::Tokenizer& tokenizer,
                                             std::span<const int32_t> ids, size_t prompt_tokens,
                                             const tokenizer::EncodeOptions& options);

}  // namespace wde::pipeline
