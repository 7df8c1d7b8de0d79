// What tokenizer.json calls a pattern: {"String": …} or {"Regex": …}. Immutable; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "tokenizer/regex.h"
#include "tokenizer/word_patterns.h"

namespace wde::tokenizer {

class TextPattern {
 public:
  // Of spec["pattern"]. Errors: kDataLoss, and those of Regex::compile().
  static Result<TextPattern> read(const json::object& spec);
  static Result<TextPattern> from_regex(std::string_view regex);

  // Appends the matches in `text`, in order. False where a search exceeds its limits.
  [[nodiscard]] bool find_all(std::string_view text, std::vector<Range>& matches) const;
  // Whether find_all() always returns true.
  bool never_fails() const { return !regex_.has_value(); }
  // Bytes of the shortest match, or less.
  size_t shortest_match() const { return text_.size(); }
  // Null but for the patterns known by hand.
  WordEnd word_end() const { return word_end_; }

 private:
  TextPattern() = default;

  // One of these.
  std::string text_;
  std::optional<Regex> regex_;
  WordEnd word_end_ = nullptr;
};

}  // namespace wde::tokenizer
