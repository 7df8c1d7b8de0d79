#include "pipeline/template_request_processor.h"

#include <algorithm>

#include "base/utf8.h"

namespace wde::pipeline {

json::object PairTemplate::message(std::string_view role, const std::string& content) const {
  const std::string text = replace_invalid_utf8(content);
  json::object message = {{"role", role}};
  if (form_.structured)
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
  if (encoding.truncated && template_.restores_end())
    WDE_RETURN_IF_ERROR(restore_end(prompt, &encoding));
  return encoding;
}

// The end that two different pairs have in common is the template's.
Result<std::vector<int32_t>> TemplateRequestProcessor::find_end(const std::string& prompt) const {
  WDE_ASSIGN_OR_RETURN(auto first, encode_rendered(prompt, {"0", "0"}, {}));
  WDE_ASSIGN_OR_RETURN(const auto second, encode_rendered(prompt, {"1 2 3 4", "1 2 3 4"}, {}));
  const auto [begin, other] =
      std::mismatch(first.ids.rbegin(), first.ids.rend(), second.ids.rbegin(), second.ids.rend());
  // Else the template ignores the texts.
  const bool differs = begin != first.ids.rend() && other != second.ids.rend();
  return differs ? std::vector<int32_t>(begin.base(), first.ids.end()) : std::vector<int32_t>();
}

Status TemplateRequestProcessor::restore_end(const std::string& prompt,
                                             tokenizer::Encoding* encoding) const {
  const std::lock_guard lock(mutex_);
  auto known = ends_.find(prompt);
  if (known == ends_.end()) {
    WDE_ASSIGN_OR_RETURN(std::vector<int32_t> found, find_end(prompt));
    known = ends_.emplace(prompt, std::move(found)).first;
  }
  const std::vector<int32_t>& end = known->second;
  const auto count = static_cast<std::ptrdiff_t>(std::min(end.size(), encoding->ids.size()));
  std::copy(end.end() - count, end.end(), encoding->ids.end() - count);
  return {};
}

}  // namespace wde::pipeline
