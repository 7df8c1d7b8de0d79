#include "pipeline/request_processor.h"

#include <algorithm>

#include "base/status.h"
#include "base/utf8.h"

namespace wde::pipeline {
namespace {

tokenizer::Side to_side(TruncationSide side) {
  return side == TruncationSide::kLeft ? tokenizer::Side::kLeft : tokenizer::Side::kRight;
}

size_t count_characters(const Input& input) {
  if (const auto* text = std::get_if<std::string>(&input)) return count_code_points(*text);
  if (const auto* pair = std::get_if<TextPair>(&input))
    return count_code_points(pair->first) + count_code_points(pair->second);
  return 0;
}

}  // namespace

RequestProcessor::RequestProcessor(std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                                   TextLimits limits, PromptPolicy prompts)
    : tokenizer_(std::move(tokenizer)), limits_(limits), prompts_(std::move(prompts)) {}

const std::string& RequestProcessor::prompt_of(const Request& request) const {
  if (!request.prompt_name) return prompts_.default_prompt;
  return prompts_.prompts.at(*request.prompt_name);
}

std::string_view RequestProcessor::prompt_name_of(const Request& request) const {
  return request.prompt_name ? std::string_view(*request.prompt_name) : prompts_.default_name;
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

Result<tokenizer::Encoding> RequestProcessor::encode(
    const Input& input, const std::string& prompt, const tokenizer::EncodeOptions& options) const {
  if (const auto* ids = std::get_if<std::vector<int32_t>>(&input))
    return tokenizer_->encode_ids(*ids, options);
  if (const auto* pair = std::get_if<TextPair>(&input))
    return tokenizer_->encode(prompt + pair->first, pair->second, options);
  const auto& text = std::get<std::string>(input);
  if (prompt.empty()) return tokenizer_->encode(text, std::nullopt, options);
  return tokenizer_->encode(prompt + text, std::nullopt, options);
}

Status RequestProcessor::check_tokens(const tokenizer::Encoding& encoding) const {
  if (encoding.ids.empty())
    return invalid_argument_error("the input has no tokens, and the tokenizer adds none");
  for (const int32_t id : encoding.ids) {
    if (id < 0 || id >= limits_.vocab_size) {
      return invalid_argument_error("token id {} is outside the model's embedding table of {} rows",
                                    id, limits_.vocab_size);
    }
  }
  if (limits_.type_vocab_size == 0) return {};
  for (const int32_t type : encoding.type_ids) {
    if (type >= limits_.type_vocab_size) {
      return invalid_argument_error("token type {} of the input: the model knows {} only", type,
                                    limits_.type_vocab_size);
    }
  }
  return {};
}

void RequestProcessor::prepare(const Request&, tokenizer::EncodeOptions*) const {}

void RequestProcessor::finish(const Request&, tokenizer::Encoding*,
                              schema::SchedulableRequest*) const {}

Status RequestProcessor::process(const Request& request, schema::SchedulableRequest* out) const {
  tokenizer::EncodeOptions options;
  options.max_length = limits_.max_length;
  // A client's own ids are taken as they are, as /tokenize gave them: special ones included.
  options.add_special_tokens = !std::holds_alternative<std::vector<int32_t>>(request.input);
  options.truncation_side = to_side(request.truncation_side.value_or(limits_.truncation_side));
  prepare(request, &options);
  const int limit = options.max_length;
  const std::string& prompt = prompt_of(request);
  WDE_ASSIGN_OR_RETURN(tokenizer::Encoding encoding, encode(request.input, prompt, options));
  if (encoding.truncated && request.over_long.value_or(limits_.over_long) == OverLong::kError) {
    options.max_length = 0;
    WDE_ASSIGN_OR_RETURN(encoding, encode(request.input, prompt, options));
    return invalid_argument_error(
        "the input has {} tokens, more than the limit of {}, and truncation is off",
        encoding.ids.size(), limit);
  }
  finish(request, &encoding, out);
  if (limits_.padded_length > 0) {
    const auto length = static_cast<size_t>(limits_.padded_length);
    encoding.ids.resize(length, limits_.padding_id);
    encoding.type_ids.resize(length, 0);
  }
  WDE_RETURN_IF_ERROR(check_tokens(encoding));
  out->ids = std::move(encoding.ids);
  out->type_ids = std::move(encoding.type_ids);
  out->characters = static_cast<int>(count_characters(request.input));
  out->truncated = encoding.truncated;
  // No prompt stands before token ids.
  const bool has_prompt =
      !prompt.empty() && !std::holds_alternative<std::vector<int32_t>>(request.input);
  if (has_prompt && !prompts_.pool_prompt) {
    WDE_ASSIGN_OR_RETURN(const int skip, prompt_tokens(prompt));
    out->pooling_skip = std::min(skip, out->tokens() - 1);
  }
  return {};
}

}  // namespace wde::pipeline
