// The pre-tokenizers that split by character class.
#include <algorithm>
#include <optional>

#include "tokenizer/registry.h"

namespace wde::tokenizer {
namespace {

using unicode::CharClasses;

// Calls visit(begin, end, classes) for every code point of text[within].
template <class Visit>
void for_each_code_point(std::string_view text, Range within, const Visit& visit) {
  const CharClasses& classes = CharClasses::get();
  const char* const begin = text.data();
  const char* const end = begin + within.end;
  for (const char* at = begin + within.begin; at != end;) {
    const auto first = static_cast<uint32_t>(at - begin);
    const uint8_t found = classes.of(unicode::next(at));
    visit(first, static_cast<uint32_t>(at - begin), found);
  }
}

// Splits at white space, which is dropped; with `alone` every code point of that class is a word of
// its own.
void split_at_whitespace(std::string_view text, Range within, uint8_t alone,
                         std::vector<Range>& words) {
  uint32_t word_begin = within.begin;
  for_each_code_point(text, within, [&](uint32_t begin, uint32_t end, uint8_t classes) {
    if ((classes & (unicode::kWhitespace | alone)) == 0) return;
    if (word_begin != begin) words.push_back({word_begin, begin});
    if ((classes & unicode::kWhitespace) == 0) words.push_back({begin, end});
    word_begin = end;
  });
  if (word_begin != within.end) words.push_back({word_begin, within.end});
}

class BertPreTokenizer final : public PreTokenizer {
 public:
  void split(std::string_view text, Range within, std::vector<Range>& words) const override {
    split_at_whitespace(text, within, unicode::kPunctuation, words);
  }
  std::optional<uint8_t> alone() const override { return unicode::kPunctuation; }
};

class WhitespaceSplit final : public PreTokenizer {
 public:
  void split(std::string_view text, Range within, std::vector<Range>& words) const override {
    split_at_whitespace(text, within, 0, words);
  }
  std::optional<uint8_t> alone() const override { return 0; }
};

// \w+|[^\w\s]+
class Whitespace final : public PreTokenizer {
 public:
  void split(std::string_view text, Range within, std::vector<Range>& words) const override {
    enum class Kind { kSpace, kWord, kOther };
    Kind last = Kind::kSpace;
    for_each_code_point(text, within, [&](uint32_t begin, uint32_t end, uint8_t classes) {
      const Kind kind = (classes & unicode::kWord) != 0         ? Kind::kWord
                        : (classes & unicode::kWhitespace) != 0 ? Kind::kSpace
                                                                : Kind::kOther;
      if (kind != Kind::kSpace) {
        if (kind == last)
          words.back().end = end;
        else
          words.push_back({begin, end});
      }
      last = kind;
    });
  }
};

// What becomes of a delimiter between two words.
enum class Delimiter { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

std::optional<Delimiter> parse_delimiter(std::string_view name) {
  constexpr std::pair<std::string_view, Delimiter> kNames[] = {
      {"Removed", Delimiter::kRemoved},
      {"Isolated", Delimiter::kIsolated},
      {"MergedWithPrevious", Delimiter::kMergedWithPrevious},
      {"MergedWithNext", Delimiter::kMergedWithNext},
      {"Contiguous", Delimiter::kContiguous},
  };
  for (const auto& [known, delimiter] : kNames) {
    if (known == name) return delimiter;
  }
  return std::nullopt;
}

struct Segment {
  Range range;
  bool delimiter = false;
};

// Appends a segment as a word, or joins it to the word before it when `join` says so.
void add_word(const Segment& segment, bool join, std::vector<Range>& words, size_t first_word) {
  if (join && words.size() > first_word) {
    words.back() = {std::min(words.back().begin, segment.range.begin),
                    std::max(words.back().end, segment.range.end)};
  } else {
    words.push_back(segment.range);
  }
}

void merge_segments(std::span<const Segment> segments, Delimiter behavior,
                    std::vector<Range>& words) {
  const size_t first_word = words.size();
  const bool backwards = behavior == Delimiter::kMergedWithNext;
  bool after_delimiter = false;
  for (size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = segments[backwards ? segments.size() - 1 - i : i];
    switch (behavior) {
      case Delimiter::kRemoved:
        if (!segment.delimiter) words.push_back(segment.range);
        break;
      case Delimiter::kIsolated:
        words.push_back(segment.range);
        break;
      case Delimiter::kMergedWithPrevious:
      case Delimiter::kMergedWithNext:
        add_word(segment, segment.delimiter && !after_delimiter, words, first_word);
        break;
      case Delimiter::kContiguous:
        add_word(segment, segment.delimiter == after_delimiter, words, first_word);
        break;
    }
    after_delimiter = segment.delimiter;
  }
  if (backwards) std::reverse(words.begin() + static_cast<ptrdiff_t>(first_word), words.end());
}

class Punctuation final : public PreTokenizer {
 public:
  explicit Punctuation(Delimiter behavior) : behavior_(behavior) {}

  void split(std::string_view text, Range within, std::vector<Range>& words) const override {
    std::vector<Segment> segments;
    uint32_t begin_of_rest = within.begin;
    for_each_code_point(text, within, [&](uint32_t begin, uint32_t end, uint8_t classes) {
      if ((classes & unicode::kPunctuation) == 0) return;
      if (begin_of_rest != begin) segments.push_back({{begin_of_rest, begin}, false});
      segments.push_back({{begin, end}, true});
      begin_of_rest = end;
    });
    if (begin_of_rest != within.end) segments.push_back({{begin_of_rest, within.end}, false});
    merge_segments(segments, behavior_, words);
  }

 private:
  Delimiter behavior_;
};

class PreTokenizerSequence final : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<PreTokenizer>> parts)
      : parts_(std::move(parts)) {
    for (size_t i = 0; i < parts_.size(); ++i) {
      growth_ *= parts_[i]->growth();
      if (parts_[i]->rewrites()) last_rewriting_ = i;
    }
  }

  void split(std::string_view text, Range within, std::vector<Range>& words) const override {
    std::vector<Range> before = {within};
    for (const auto& part : parts_) split_words(*part, text, before);
    words.insert(words.end(), before.begin(), before.end());
  }

  bool rewrites() const override { return last_rewriting_.has_value(); }

  void rewrite(const NormalizedText& from, Stretch stretch, NormalizedText& to,
               std::vector<Range>& words) const override {
    const NormalizedText* source = &from;
    NormalizedText between;  // what the part before the last one that rewrites has made
    std::vector<Range> before = {stretch.range};
    for (size_t i = 0; i < parts_.size(); ++i) {
      if (!parts_[i]->rewrites()) {
        split_words(*parts_[i], i > *last_rewriting_ ? to.text : source->text, before);
        continue;
      }
      NormalizedText next;
      next.tracked = from.tracked;
      const uint32_t begin = source == &from ? stretch.range.begin : 0;
      std::vector<Range> after;
      for (const Range& word : before) {
        const Stretch part = {word, stretch.begins_text && word.begin == begin};
        parts_[i]->rewrite(*source, part, i == *last_rewriting_ ? to : next, after);
      }
      before = std::move(after);
      between = std::move(next);
      source = &between;
    }
    words.insert(words.end(), before.begin(), before.end());
  }

  double growth() const override { return growth_; }

 private:
  static void split_words(const PreTokenizer& part, std::string_view text,
                          std::vector<Range>& words) {
    std::vector<Range> after;
    for (const Range& word : words) part.split(text, word, after);
    words = std::move(after);
  }

  std::vector<std::unique_ptr<PreTokenizer>> parts_;
  std::optional<size_t> last_rewriting_;
  double growth_ = 1;
};

using Made = Result<std::unique_ptr<PreTokenizer>>;

}  // namespace

void PreTokenizer::split(std::string_view, Range, std::vector<Range>&) const {
  WDE_CHECK(false);  // one that rewrites is not asked to split
}

void PreTokenizer::rewrite(const NormalizedText&, Stretch, NormalizedText&,
                           std::vector<Range>&) const {
  WDE_CHECK(false);  // a splitter is not asked to rewrite
}

Made make_bert_pre_tokenizer(const json::object&) {
  return Made(std::make_unique<BertPreTokenizer>());
}
Made make_whitespace(const json::object&) { return Made(std::make_unique<Whitespace>()); }
Made make_whitespace_split(const json::object&) {
  return Made(std::make_unique<WhitespaceSplit>());
}

Made make_punctuation(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const std::string name, json::get_string(spec, "behavior", "Isolated"));
  const std::optional<Delimiter> behavior = parse_delimiter(name);
  if (!behavior) return unsupported_error("behavior \"{}\"", name);
  return Made(std::make_unique<Punctuation>(*behavior));
}

Made make_pre_tokenizer_sequence(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const json::array* specs, json::get_array(spec, "pretokenizers"));
  if (specs == nullptr) return data_loss_error("\"pretokenizers\" is missing");
  std::vector<std::unique_ptr<PreTokenizer>> parts;
  for (const json::value& part : *specs) {
    const json::object* part_spec = part.if_object();
    if (part_spec == nullptr) return data_loss_error("\"pretokenizers\" must hold objects");
    WDE_ASSIGN_OR_RETURN(parts.emplace_back(), make_pre_tokenizer(*part_spec));
  }
  return Made(std::make_unique<PreTokenizerSequence>(std::move(parts)));
}

}  // namespace wde::tokenizer
