// The pre-tokenizers that find delimiters, and the one that counts.
#include "base/utf8.h"
#include "tokenizer/delimiter.h"
#include "tokenizer/registry.h"
#include "tokenizer/text_pattern.h"

namespace wde::tokenizer {
namespace {

// At every code point of the classes.
class ClassSplit final : public PreTokenizer {
 public:
  ClassSplit(uint8_t classes, Delimiter behavior) : classes_(classes), behavior_(behavior) {}

  void split(std::string_view text, Range within, std::vector<Range>& words) const override {
    std::vector<Range> found;
    unicode::for_each_class(text, within.begin, within.end,
                            [&](uint32_t begin, uint32_t end, uint8_t classes) {
                              if ((classes & classes_) != 0) found.push_back({begin, end});
                            });
    append_split(within, found, Matches::kAreDelimiters, behavior_, words);
  }

 private:
  uint8_t classes_;
  Delimiter behavior_;
};

class Split final : public PreTokenizer {
 public:
  struct Behavior {
    Delimiter delimiter = Delimiter::kIsolated;
    Matches matches = Matches::kAreDelimiters;
  };
  Split(TextPattern pattern, Behavior behavior)
      : pattern_(std::move(pattern)), behavior_(behavior) {}

  void split(std::string_view text, Range within, std::vector<Range>& words) const override {
    WDE_CHECK(cut(text, within, words));
  }

  // A search that exceeds its limits is told by way of the text that is made.
  bool rewrites() const override { return !pattern_.never_fails(); }

  void rewrite(const NormalizedText& from, Stretch stretch, NormalizedText& to,
               std::vector<Range>& words) const override {
    const Range range = stretch.range;
    const size_t first_word = words.size();
    to.failed |= !cut(from.text, range, words);
    const auto begin = static_cast<uint32_t>(to.text.size());
    to.append(from, range.begin, range.end);
    for (size_t i = first_word; i < words.size(); ++i)
      words[i] = {words[i].begin - range.begin + begin, words[i].end - range.begin + begin};
  }

  std::optional<Cutting> cutting() const override {
    const bool all_words = behavior_.delimiter == Delimiter::kIsolated;
    if (pattern_.word_end() == nullptr || !all_words) return std::nullopt;
    return Cutting{.word_end = pattern_.word_end()};
  }

 private:
  bool cut(std::string_view text, Range within, std::vector<Range>& words) const {
    std::vector<Range> found;
    if (!pattern_.find_all(text.substr(within.begin, within.end - within.begin), found))
      return false;
    for (Range& match : found) match = {match.begin + within.begin, match.end + within.begin};
    append_split(within, found, behavior_.matches, behavior_.delimiter, words);
    return true;
  }

  TextPattern pattern_;
  Behavior behavior_;
};

class CharDelimiterSplit final : public PreTokenizer {
 public:
  explicit CharDelimiterSplit(std::string delimiter) : delimiter_(std::move(delimiter)) {}

  void split(std::string_view text, Range within, std::vector<Range>& words) const override {
    text = text.substr(0, within.end);
    for (size_t at = within.begin; at != within.end;) {
      const size_t found = std::min(text.find(delimiter_, at), text.size());
      if (found != at) words.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(found)});
      at = found == text.size() ? found : found + delimiter_.size();
    }
  }

 private:
  std::string delimiter_;
};

// Words of so many code points.
class FixedLength final : public PreTokenizer {
 public:
  explicit FixedLength(int64_t length) : length_(length) {}

  void split(std::string_view text, Range within, std::vector<Range>& words) const override {
    int64_t count = 0;
    unicode::for_each_class(text, within.begin, within.end,
                            [&](uint32_t begin, uint32_t end, uint8_t) {
                              if (count++ % length_ == 0)
                                words.push_back({begin, end});
                              else
                                words.back().end = end;
                            });
  }

 private:
  int64_t length_;
};

using Made = Result<std::unique_ptr<PreTokenizer>>;

}  // namespace

Made make_punctuation(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const Delimiter behavior, read_delimiter(spec, "Isolated"));
  return Made(std::make_unique<ClassSplit>(unicode::kPunctuation, behavior));
}

Made make_digits(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const bool individual, json::get_bool(spec, "individual_digits", false));
  return Made(std::make_unique<ClassSplit>(
      unicode::kNumber, individual ? Delimiter::kIsolated : Delimiter::kContiguous));
}

Made make_split(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(TextPattern pattern, TextPattern::read(spec));
  Split::Behavior behavior;
  WDE_ASSIGN_OR_RETURN(behavior.delimiter, read_delimiter(spec, ""));
  WDE_ASSIGN_OR_RETURN(const bool invert, json::get_bool(spec, "invert", false));
  if (invert) behavior.matches = Matches::kAreBetween;
  return Made(std::make_unique<Split>(std::move(pattern), behavior));
}

Made make_char_delimiter_split(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(std::string delimiter, json::get_string(spec, "delimiter", ""));
  if (count_code_points(delimiter) != 1)
    return data_loss_error("\"delimiter\" must be one character, not \"{}\"", delimiter);
  return Made(std::make_unique<CharDelimiterSplit>(std::move(delimiter)));
}

Made make_fixed_length(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const int64_t length, json::get_int(spec, "length", 5));
  if (length < 1) return data_loss_error("\"length\" must be at least 1, not {}", length);
  return Made(std::make_unique<FixedLength>(length));
}

}  // namespace wde::tokenizer
