#include "tokenizer/text_pattern.h"

namespace wde::tokenizer {

Result<TextPattern> TextPattern::read(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const json::object* pattern, json::get_object(spec, "pattern"));
  if (pattern == nullptr) return data_loss_error("\"pattern\" is missing");
  if (pattern->contains("Regex")) {
    WDE_ASSIGN_OR_RETURN(const std::string regex, json::get_string(*pattern, "Regex", ""));
    return from_regex(regex);
  }
  if (!pattern->contains("String"))
    return data_loss_error("\"pattern\" must be a \"String\" or a \"Regex\"");
  TextPattern result;
  WDE_ASSIGN_OR_RETURN(result.text_, json::get_string(*pattern, "String", ""));
  // The package finds it everywhere, which is of no use to a tokenizer.
  if (result.text_.empty()) return unsupported_error("an empty pattern");
  return result;
}

Result<TextPattern> TextPattern::from_regex(std::string_view regex) {
  TextPattern result;
  result.word_end_ = known_word_pattern(regex);
  if (result.word_end_ == nullptr) {
    WDE_ASSIGN_OR_RETURN(result.regex_, Regex::compile(regex));
  }
  return result;
}

bool TextPattern::find_all(std::string_view text, std::vector<Range>& matches) const {
  if (regex_) return regex_->find_all(text, matches);
  const auto add = [&](size_t begin, size_t end) {
    matches.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
  };
  if (word_end_ != nullptr) {
    const char* const end = text.data() + text.size();
    for (const char* at = text.data(); at != end;) {
      const char* const behind = word_end_(at, end);
      add(static_cast<size_t>(at - text.data()), static_cast<size_t>(behind - text.data()));
      at = behind;
    }
    return true;
  }
  for (size_t at = text.find(text_); at != text.npos; at = text.find(text_, at + text_.size()))
    add(at, at + text_.size());
  return true;
}

}  // namespace wde::tokenizer
