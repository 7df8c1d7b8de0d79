#include "pipeline/template_request_processor.h"

#include <algorithm>

#include "base/utf8.h"

namespace wde::pipeline {

json::object PairTemplate::message(std::string_view role, const std::string& content) const {
  const std::string text = replace_invalid_utf8(content);
  json::object message = {{"role", role}};
  if (structured_)
    message["content"] = json::array{json::object{{"type", "text"}, {"text", text}}};
  else
    message["content"] = text;
  return message;
}

Result<std::string> PairTemplate::render(const std::string& prompt, const std::string& query,
                                         const std::string& document) const {
  json::array messages;
  if (!prompt.empty()) messages.push_back(message("system", prompt));
  messages.push_back(message("query", query));
  messages.push_back(message("document", document));
  json::object variables = variables_;
  variables["messages"] = std::move(messages);
  return template_.render(variables);
}

Result<tokenizer::Encoding> TemplateRequestProcessor::encode_rendered(
    const std::string& prompt, const TextPair& pair,
    const tokenizer::EncodeOptions& options) const {
  WDE_ASSIGN_OR_RETURN(const std::string text, template_.render(prompt, pair.first, pair.second));
  tokenizer::EncodeOptions plain = options;
  plain.add_special_tokens = false;
  return tokenizer().encode(text, std::nullopt, plain);
}

Result<tokenizer::Encoding> TemplateRequestProcessor::encode(
    const Input& input, const std::string& prompt, const tokenizer::EncodeOptions& options) const {
  const auto* pair = std::get_if<TextPair>(&input);
  if (pair == nullptr) return RequestProcessor::encode(input, prompt, options);
  WDE_ASSIGN_OR_RETURN(tokenizer::Encoding encoding, encode_rendered(prompt, *pair, options));
  if (encoding.truncated) WDE_RETURN_IF_ERROR(restore_end(prompt, &encoding));
  return encoding;
}

// The end that two different pairs have in common is the template's.
Status TemplateRequestProcessor::restore_end(const std::string& prompt,
                                             tokenizer::Encoding* encoding) const {
  WDE_ASSIGN_OR_RETURN(const auto first, encode_rendered(prompt, {"0", "0"}, {}));
  WDE_ASSIGN_OR_RETURN(const auto second, encode_rendered(prompt, {"1 2 3 4", "1 2 3 4"}, {}));
  const size_t least = std::min(first.ids.size(), second.ids.size());
  size_t count = 0;
  while (count < least &&
         first.ids[first.ids.size() - 1 - count] == second.ids[second.ids.size() - 1 - count]) {
    ++count;
  }
  if (count == least) return {};  // the template ignores the texts
  count = std::min(count, encoding->ids.size());
  std::copy(first.ids.end() - static_cast<int64_t>(count), first.ids.end(),
            encoding->ids.end() - static_cast<int64_t>(count));
  return {};
}

}  // namespace wde::pipeline
