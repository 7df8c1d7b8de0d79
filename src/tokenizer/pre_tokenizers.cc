// The pre-tokenizers that split by character class, and the sequence of pre-tokenizers.
#include <algorithm>
#include <optional>

#include "tokenizer/delimiter.h"
#include "tokenizer/registry.h"

namespace wde::tokenizer {
namespace {

// Splits at white space, which is dropped; with `alone` every code point of that class is a word of
// its own.
void split_at_whitespace(std::string_view text, Range within, uint8_t alone,
                         std::vector<Range>& words) {
  uint32_t word_begin = within.begin;
  unicode::for_each_class(text, within.begin, within.end,
                          [&](uint32_t begin, uint32_t end, uint8_t classes) {
                            if ((classes & (unicode::kWhitespace | alone)) == 0) return;
                            if (word_begin != begin) words.push_back({word_begin, begin});
                            if ((classes & unicode::kWhitespace) == 0)
                              words.push_back({begin, end});
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
    unicode::for_each_class(
        text, within.begin, within.end, [&](uint32_t begin, uint32_t end, uint8_t classes) {
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
      NormalizedText& target = i == *last_rewriting_ ? to : next;
      for (const Range& word : before) {
        const Stretch part = {word, stretch.begins_text && word.begin == begin};
        parts_[i]->rewrite(*source, part, target, after);
      }
      to.failed |= target.failed;
      if (to.failed) return;
      before = std::move(after);
      between = std::move(next);
      source = &between;
    }
    words.insert(words.end(), before.begin(), before.end());
  }

  double growth() const override { return growth_; }

  // One cut at most, and the bytes spelt last.
  std::optional<Cutting> cutting() const override {
    Cutting all;
    for (const auto& part : parts_) {
      const std::optional<Cutting> next = part->cutting();
      if (!next || all.writes_bytes || (next->word_end != nullptr && all.word_end != nullptr) ||
          (next->adds_space && all.word_end != nullptr)) {
        return std::nullopt;
      }
      if (next->word_end != nullptr) all.word_end = next->word_end;
      all.adds_space |= next->adds_space;
      all.writes_bytes = next->writes_bytes;
    }
    return all;
  }

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
