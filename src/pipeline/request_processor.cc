#include "pipeline/request_processor.h"

#include <algorithm>

#include "base/status.h"
#include "base/utf8.h"

namespace wde::pipeline {
namespace {

tokenizer::Side to_side(TruncationSide side) {
  return side == TruncationSide::kLeft ? tokenizer::Side::kLeft : tokenizer::Side::kRight;
}

bool holds_ids(const Request& request) {
  return std::holds_alternative<std::vector<int32_t>>(request.input);
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

tokenizer::EncodeOptions RequestProcessor::encode_options(const Request& request) const {
  tokenizer::EncodeOptions options;
  options.max_length = limits_.max_length;
  // A client's own ids are taken as they are, as /tokenize gave them: special ones included.
  options.add_special_tokens = !holds_ids(request);
  options.truncation_side = to_side(request.truncation_side.value_or(limits_.truncation_side));
  prepare(request, &options);
  return options;
}

Result<int> RequestProcessor::pooling_skip(const Request& request) const {
  const std::string& prompt = prompt_of(request);
  // No prompt stands before token ids.
  if (prompt.empty() || holds_ids(request) || prompts_.pool_prompt) return 0;
  return prompt_tokens(prompt);
}

Result<std::vector<schema::SchedulableRequest>> RequestProcessor::process(
    const Request& request, schema::SchedulableRequest accepted) const {
  const tokenizer::EncodeOptions options = encode_options(request);
  const std::string& prompt = prompt_of(request);
  accepted.characters = static_cast<int>(count_characters(request.input));
  WDE_ASSIGN_OR_RETURN(tokenizer::Encoding encoding, encode(request.input, prompt, options));
  WDE_ASSIGN_OR_RETURN(accepted.pooling_skip, pooling_skip(request));
  const OverLong over_long = request.over_long.value_or(limits_.over_long);
  if (encoding.truncated && over_long == OverLong::kAverage)
    return process_parts(request, options, accepted);
  if (encoding.truncated && over_long == OverLong::kError) {
    tokenizer::EncodeOptions unlimited = options;
    unlimited.max_length = 0;
    WDE_ASSIGN_OR_RETURN(encoding, encode(request.input, prompt, unlimited));
    return invalid_argument_error(
        "the input has {} tokens, more than the limit of {}, and truncation is off",
        encoding.ids.size(), options.max_length);
  }
  accepted.truncated = encoding.truncated;
  WDE_RETURN_IF_ERROR(complete(request, std::move(encoding), &accepted));
  std::vector<schema::SchedulableRequest> processed;
  processed.push_back(std::move(accepted));
  return processed;
}

Result<std::vector<TextPart>> RequestProcessor::cut(const Request& request,
                                                    const tokenizer::EncodeOptions& options) const {
  if (std::holds_alternative<TextPair>(request.input)) {
    return invalid_argument_error(
        "a pair of more than {} tokens can't be averaged over parts; single texts can",
        options.max_length);
  }
  const std::string& prompt = prompt_of(request);
  tokenizer::EncodeOptions whole = options;
  whole.max_length = 0;
  whole.add_special_tokens = false;
  whole.offsets = !prompt.empty() && !holds_ids(request);
  WDE_ASSIGN_OR_RETURN(const tokenizer::Encoding encoding, encode(request.input, prompt, whole));
  // A token that begins in the prompt and ends in the text is the text's.
  const size_t prompt_end = count_code_points(replace_invalid_utf8(prompt));
  const auto own =
      std::find_if(encoding.offsets.begin(), encoding.offsets.end(),
                   [&](const tokenizer::Offset& offset) { return offset.end > prompt_end; });
  return cut_into_parts(*tokenizer_, encoding.ids,
                        static_cast<size_t>(own - encoding.offsets.begin()), options);
}

Result<std::vector<schema::SchedulableRequest>> RequestProcessor::process_parts(
    const Request& request, const tokenizer::EncodeOptions& options,
    const schema::SchedulableRequest& accepted) const {
  WDE_ASSIGN_OR_RETURN(std::vector<TextPart> parts, cut(request, options));
  std::vector<int64_t> weights;
  for (const TextPart& part : parts) weights.push_back(part.own_tokens);
  const auto averaging = std::make_shared<schema::Averaging>(std::move(weights));
  std::vector<schema::SchedulableRequest> processed;
  processed.reserve(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    schema::SchedulableRequest& part = processed.emplace_back(accepted);
    part.averaging = averaging;
    part.part = i;
    WDE_RETURN_IF_ERROR(complete(request, std::move(parts[i].encoding), &part));
  }
  return processed;
}

Status RequestProcessor::complete(const Request& request, tokenizer::Encoding encoding,
                                  schema::SchedulableRequest* out) const {
  finish(request, &encoding, out);
  if (limits_.padded_length > 0) {
    const auto length = static_cast<size_t>(limits_.padded_length);
    encoding.ids.resize(length, limits_.padding_id);
    encoding.type_ids.resize(length, 0);
  }
  WDE_RETURN_IF_ERROR(check_tokens(encoding));
  out->ids = std::move(encoding.ids);
  out->type_ids = std::move(encoding.type_ids);
  out->pooling_skip = std::min(out->pooling_skip, out->tokens() - 1);
  return {};
}

}  // namespace wde::pipeline
