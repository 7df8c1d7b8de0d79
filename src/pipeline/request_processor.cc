#include "pipeline/request_processor.h"

#include <algorithm>

#include "base/status.h"
#include "base/utf8.h"

namespace wde::pipeline {
namespace {

tokenizer::Side to_side(TruncationSide side) {
  return side == TruncationSide::kLeft ? tokenizer::Side::kLeft : tokenizer::Side::kRight;
}

// What one encode() of an input found, whatever kind of input it was.
struct Encoded {
  tokenizer::Encoding encoding;
  size_t characters = 0;
};

}  // namespace

RequestProcessor::RequestProcessor(std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                                   TextLimits limits, PromptPolicy prompts)
    : tokenizer_(std::move(tokenizer)), limits_(limits), prompts_(std::move(prompts)) {}

const std::string& RequestProcessor::prompt_of(const Request& request) const {
  if (!request.prompt_name) return prompts_.default_prompt;
  return prompts_.prompts.at(*request.prompt_name);
}

// Tokens at the front of an encoded text that come from the prompt, as sentence-transformers counts
// them: the prompt encoded alone, without the special token at its end.
Result<int> RequestProcessor::prompt_tokens(const std::string& prompt) const {
  tokenizer::EncodeOptions options;
  WDE_ASSIGN_OR_RETURN(const tokenizer::Encoding encoding,
                       tokenizer_->encode(prompt, std::nullopt, options));
  int count = static_cast<int>(encoding.ids.size());
  if (count > 0 && encoding.special_mask.back() != 0) --count;
  return count;
}

Status RequestProcessor::process(const Request& request, schema::SchedulableRequest* out) const {
  tokenizer::EncodeOptions options;
  options.max_length = limits_.max_length;
  options.truncation_side = to_side(request.truncation_side.value_or(limits_.truncation_side));
  const std::string& prompt = prompt_of(request);

  Encoded encoded;
  if (const auto* text = std::get_if<std::string>(&request.input)) {
    const std::string prompted = prompt.empty() ? std::string() : prompt + *text;
    WDE_ASSIGN_OR_RETURN(encoded.encoding, tokenizer_->encode(prompt.empty() ? *text : prompted,
                                                              std::nullopt, options));
    encoded.characters = count_code_points(*text);
  } else if (const auto* pair = std::get_if<TextPair>(&request.input)) {
    const std::string prompted = prompt + pair->first;
    WDE_ASSIGN_OR_RETURN(encoded.encoding, tokenizer_->encode(prompted, pair->second, options));
    encoded.characters = count_code_points(pair->first) + count_code_points(pair->second);
  } else {
    const auto& ids = std::get<std::vector<int32_t>>(request.input);
    WDE_ASSIGN_OR_RETURN(encoded.encoding, tokenizer_->encode_ids(ids, options));
  }
  if (encoded.encoding.truncated &&
      request.over_long.value_or(limits_.over_long) == OverLong::kError) {
    return invalid_argument_error(
        "the input is longer than the model's limit of {} tokens, and truncation is off",
        limits_.max_length);
  }
  if (encoded.encoding.ids.empty()) {
    return invalid_argument_error("the input has no tokens, and the tokenizer adds none");
  }
  for (const int32_t id : encoded.encoding.ids) {
    if (id < 0 || id >= limits_.vocab_size) {
      return invalid_argument_error("token id {} is outside the model's embedding table of {} rows",
                                    id, limits_.vocab_size);
    }
  }
  out->ids = std::move(encoded.encoding.ids);
  out->type_ids = std::move(encoded.encoding.type_ids);
  out->characters = static_cast<int>(encoded.characters);
  out->truncated = encoded.encoding.truncated;
  if (!prompts_.pool_prompt && !prompt.empty()) {
    WDE_ASSIGN_OR_RETURN(const int skip, prompt_tokens(prompt));
    out->pooling_skip = std::min(skip, out->tokens() - 1);
  }
  return {};
}

}  // namespace wde::pipeline
