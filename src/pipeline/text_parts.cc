#include "pipeline/text_parts.h"

#include <algorithm>

namespace wde::pipeline {

Result<std::vector<TextPart>> cut_into_parts(const tokenizer::Tokenizer& tokenizer,
                                             std::span<const int32_t> ids, size_t prompt_tokens,
                                             const tokenizer::EncodeOptions& options) {
  const int specials = options.add_special_tokens ? tokenizer.special_tokens_added(false) : 0;
  const int64_t room = int64_t{options.max_length} - specials - static_cast<int64_t>(prompt_tokens);
  if (room < 1) {
    return invalid_argument_error(
        "a prompt of {} tokens leaves no room in the limit of {} for parts of the text",
        prompt_tokens, options.max_length);
  }
  const std::span<const int32_t> prompt = ids.first(prompt_tokens);
  std::span<const int32_t> rest = ids.subspan(prompt_tokens);
  const size_t count = (rest.size() + static_cast<size_t>(room) - 1) / static_cast<size_t>(room);
  std::vector<TextPart> parts;
  parts.reserve(count);
  for (size_t left = count; left > 0; --left) {
    const std::span<const int32_t> own = rest.first((rest.size() + left - 1) / left);
    rest = rest.subspan(own.size());
    std::vector<int32_t> text(prompt.begin(), prompt.end());
    text.insert(text.end(), own.begin(), own.end());
    WDE_ASSIGN_OR_RETURN(tokenizer::Encoding encoding, tokenizer.encode_ids(text, options));
    parts.push_back({std::move(encoding), static_cast<int64_t>(own.size())});
  }
  return parts;
}

}  // namespace wde::pipeline
