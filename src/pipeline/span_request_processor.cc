#include "pipeline/span_request_processor.h"

#include <algorithm>

#include "base/utf8.h"

namespace wde::pipeline {
namespace {

// Whether each code point of well-formed UTF-8 is a space.
std::vector<bool> spaces_of(std::string_view text) {
  std::vector<bool> spaces;
  for (const char byte : text) {
    if ((static_cast<unsigned char>(byte) & 0xc0) != 0x80) spaces.push_back(byte == ' ');
  }
  return spaces;
}

}  // namespace

void SpanRequestProcessor::prepare(const Request& request,
                                   tokenizer::EncodeOptions* options) const {
  options->offsets = request.task == Task::kClassifyTokens;
}

// Words as transformers' TokenClassificationPipeline sees them (gather_pre_entities): where the
// tokenizer marks tokens that go on with a word, a token as long as its text begins one; where it
// does not, a token goes on unless a space is its first character or stands before it.
bool SpanRequestProcessor::continues_word(int32_t id, tokenizer::Offset offset,
                                          const std::vector<bool>& spaces) const {
  if (id == unknown_) return false;
  if (!tokenizer().continuing_subword_prefix().empty()) {
    const std::string text = replace_invalid_utf8(tokenizer().id_to_token(id));
    return count_code_points(text) != offset.end - offset.begin;
  }
  if (offset.begin == 0 || spaces[offset.begin - 1]) return false;
  return offset.begin >= spaces.size() || !spaces[offset.begin];
}

void SpanRequestProcessor::finish(const Request& request, tokenizer::Encoding* encoding,
                                  schema::SchedulableRequest* out) const {
  if (request.task != Task::kClassifyTokens) return;
  out->text = replace_invalid_utf8(std::get<std::string>(request.input));
  const std::string& prompt = prompt_of(request);
  const auto prompt_end = static_cast<uint32_t>(count_code_points(replace_invalid_utf8(prompt)));
  const std::vector<bool> spaces = spaces_of(replace_invalid_utf8(prompt) + out->text);
  out->text_tokens.resize(encoding->ids.size());
  for (size_t i = 0; i < encoding->ids.size(); ++i) {
    const tokenizer::Offset offset = encoding->offsets[i];
    schema::TextToken& token = out->text_tokens[i];
    // The prompt's tokens are none of the client's text.
    token.special = encoding->special_mask[i] != 0 || (prompt_end > 0 && offset.end <= prompt_end);
    token.continues_word = continues_word(encoding->ids[i], offset, spaces);
    token.begin = static_cast<int>(std::max(offset.begin, prompt_end) - prompt_end);
    token.end = static_cast<int>(std::max(offset.end, prompt_end) - prompt_end);
  }
}

}  // namespace wde::pipeline
