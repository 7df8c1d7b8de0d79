#include "tokenizer/word_scanner.h"

#include <algorithm>

namespace wde::tokenizer {
namespace {

constexpr size_t kMaxWordBytes = 256;  // a longer word goes through the parts
// At least so much of a text goes through the parts at once, so that their setting up does not
// count however often a text calls for them.
constexpr ptrdiff_t kMinPartsBytes = 256;
constexpr size_t kMaxCodePointBytes = 4;

}  // namespace

// One text on its way. A stretch is what stands between two pieces of ASCII white space: the least
// that can be handed to the parts.
class WordScanner::Scan {
 public:
  Scan(const WordScanner& scanner, std::string_view text, size_t enough, std::vector<int32_t>& ids)
      : scanner_(scanner),
        enough_(enough),
        ids_(ids),
        at_(text.data()),
        end_(at_ + text.size()),
        stretch_(at_),
        ids_before_stretch_(ids.size()) {}

  // False where an added token may stand.
  bool run() {
    bool fine = true;
    while (fine && at_ != end_ && ids_.size() <= enough_) {
      join_ascii();
      if (at_ != end_) fine = step();
    }
    if (fine && ids_.size() <= enough_) end_word();
    return fine;
  }

 private:
  // Goes on to the first byte that does not simply join the word.
  void join_ascii() {
    const char* const stop = at_ + std::min<ptrdiff_t>(end_ - at_, room());
    char* to = word_ + word_bytes_;
    for (; at_ != stop; ++at_) {
      const Step step = scanner_.steps_[static_cast<uint8_t>(*at_)];
      if (step.role != Role::kJoins) break;
      *to++ = step.byte;
    }
    word_bytes_ = static_cast<size_t>(to - word_);
  }

  bool step() {
    if (room() == 0) return ask_parts();
    const Step step = scanner_.steps_[static_cast<uint8_t>(*at_)];
    if (step.role == Role::kBeyond) return step_beyond_ascii();
    ++at_;
    if (step.role == Role::kBreaks) {
      end_word();
      begin_stretch();
      return true;
    }
    return take(step.role, {&step.byte, 1});
  }

  bool step_beyond_ascii() {
    const char* behind = at_;
    const char32_t code_point = unicode::next(behind);
    const uint32_t entry =
        code_point < CodePointMap::kSize ? scanner_.map_.of(code_point) : CodePointMap::kNeighbours;
    if (entry > CodePointMap::kDropped) return ask_parts();
    at_ = behind;
    if (entry == CodePointMap::kDropped) return true;
    const bool spaced = entry >= CodePointMap::kSpaced;
    const char32_t normalized = spaced ? entry - CodePointMap::kSpaced : entry;
    char bytes[kMaxCodePointBytes];
    const auto length = static_cast<size_t>(unicode::encode(normalized, bytes));
    if (spaced) end_word();
    if (!take(scanner_.role_of(normalized), {bytes, length})) return false;
    if (spaced) end_word();
    return true;
  }

  bool take(Role role, std::string_view normalized) {
    if (role == Role::kAdded) return false;
    if (role == Role::kBreaks || role == Role::kAlone) end_word();
    if (role == Role::kJoins) {
      std::copy(normalized.begin(), normalized.end(), word_ + word_bytes_);
      word_bytes_ += normalized.size();
    }
    if (role == Role::kAlone) scanner_.model_.append_ids(normalized, ids_);
    return true;
  }

  // Bytes by which the word may still grow; the code point that takes the last of them may be
  // longer.
  ptrdiff_t room() const {
    return static_cast<ptrdiff_t>(kMaxWordBytes - std::min(word_bytes_, kMaxWordBytes));
  }

  void end_word() {
    if (word_bytes_ == 0) return;
    scanner_.model_.append_ids({word_, word_bytes_}, ids_);
    word_bytes_ = 0;
  }

  void begin_stretch() {
    stretch_ = at_;
    ids_before_stretch_ = ids_.size();
  }

  bool breaks(char byte) const {
    return scanner_.steps_[static_cast<uint8_t>(byte)].role == Role::kBreaks;
  }

  // Begins the stretch anew and lets the parts have it, and what follows if it is short.
  bool ask_parts() {
    word_bytes_ = 0;
    ids_.resize(ids_before_stretch_);
    at_ = std::max(at_, stretch_ + std::min(end_ - stretch_, kMinPartsBytes));
    at_ = std::find_if(at_, end_, [this](char byte) { return breaks(byte); });
    NormalizedText text =
        NormalizedText::from({stretch_, static_cast<size_t>(at_ - stretch_)}, 0, false);
    scanner_.normalizer_.normalize(text);
    if (scanner_.added_.may_be_in(text.text)) return false;
    std::vector<Range> words;
    scanner_.pre_tokenizer_.split(text.text, {0, static_cast<uint32_t>(text.text.size())}, words);
    for (const Range& word : words) {
      scanner_.model_.append_ids(
          std::string_view(text.text).substr(word.begin, word.end - word.begin), ids_);
    }
    begin_stretch();
    return true;
  }

  const WordScanner& scanner_;
  const size_t enough_;
  std::vector<int32_t>& ids_;
  const char* at_;
  const char* const end_;
  const char* stretch_;
  size_t ids_before_stretch_;
  size_t word_bytes_ = 0;
  char word_[kMaxWordBytes + kMaxCodePointBytes];
};

std::unique_ptr<WordScanner> WordScanner::make(const Normalizer* normalizer,
                                               const PreTokenizer* pre_tokenizer,
                                               const Model& model, const AddedTokenMatcher& added) {
  const bool possible = normalizer != nullptr && normalizer->code_points() != nullptr &&
                        pre_tokenizer != nullptr && pre_tokenizer->alone().has_value();
  if (!possible) return nullptr;
  return std::unique_ptr<WordScanner>(new WordScanner(*normalizer, *pre_tokenizer, model, added));
}

WordScanner::WordScanner(const Normalizer& normalizer, const PreTokenizer& pre_tokenizer,
                         const Model& model, const AddedTokenMatcher& added)
    : normalizer_(normalizer),
      pre_tokenizer_(pre_tokenizer),
      model_(model),
      added_(added),
      map_(*normalizer.code_points()),
      alone_(*pre_tokenizer.alone()),
      classes_(unicode::CharClasses::get()) {
  for (char32_t byte = 0; byte < 0x80; ++byte) {
    const uint32_t entry = map_.of(byte);
    // ASCII that becomes anything but ASCII: as if it were beyond it.
    if (entry < 0x80)
      steps_[byte] = {role_of(entry), static_cast<char>(entry)};
    else if (entry == CodePointMap::kDropped)
      steps_[byte] = {Role::kDropped};
  }
}

// What a code point does in the normalized text.
WordScanner::Role WordScanner::role_of(char32_t normalized) const {
  char bytes[kMaxCodePointBytes];
  unicode::encode(normalized, bytes);
  if (added_.may_begin_with(bytes[0])) return Role::kAdded;
  const uint8_t classes = classes_.of(normalized);
  if ((classes & unicode::kWhitespace) != 0) return Role::kBreaks;
  return (classes & alone_) != 0 ? Role::kAlone : Role::kJoins;
}

bool WordScanner::scan(std::string_view text, size_t enough, std::vector<int32_t>& ids) const {
  return Scan(*this, text, enough, ids).run();
}

}  // namespace wde::tokenizer
