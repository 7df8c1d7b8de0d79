// BertNormalizer: clean, space out CJK, strip accents, lower-case, fused into one pass over the
// text. What becomes of a code point does not depend on its neighbours, so the basic plane's
// answers are tabled at load; the one exception, marks that survive and may change places, goes
// step by step.
#include "tokenizer/registry.h"

namespace wde::tokenizer {
namespace {

using unicode::CharClasses;

struct BertOptions {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};

// The blocks that BERT treats as Chinese (google-research/bert, tokenization.py), with the
// package's start of extension E.
bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

class BertNormalizer final : public Normalizer {
 public:
  explicit BertNormalizer(const BertOptions& options) : options_(options) {
    for (char32_t c = 0; c < CodePointMap::kSize; ++c) map_.set(c, tabulate(c));
  }

  void normalize(NormalizedText& text) const override {
    const bool done = text.tracked ? fused<true>(text) : fused<false>(text);
    if (!done) step_by_step(text);
  }
  double growth() const override { return 6; }  // U+1D160 decomposes 4 bytes into 12; CJK 3 into 5
  // Marks change places among themselves only, never across white space.
  const CodePointMap* code_points() const override { return &map_; }

 private:
  static constexpr int kMaxOutput = 2 * unicode::kMaxDecomposition + 2;

  // clean_text and handle_chinese_chars.
  int clean(char32_t c, char32_t* out) const {
    if (options_.clean_text) {
      const bool line_space = c == '\t' || c == '\n' || c == '\r';
      const uint8_t classes = CharClasses::get().of(c);
      if (c == 0 || c == 0xFFFD || (!line_space && (classes & unicode::kControl) != 0)) return 0;
      if ((classes & unicode::kWhitespace) != 0) c = ' ';
    }
    if (options_.handle_chinese_chars && is_chinese(c))
      return out[0] = ' ', out[1] = c, out[2] = ' ', 3;
    return out[0] = c, 1;
  }

  // What strip_accents and lowercase leave of a code point that is decomposed where it should be.
  int fold(char32_t c, char32_t* out) const {
    if (options_.strip_accents && (CharClasses::get().of(c) & unicode::kNonspacingMark) != 0)
      return 0;
    if (options_.lowercase) return unicode::to_lower(c, out);
    return out[0] = c, 1;
  }

  int decompose(char32_t c, char32_t* out) const {
    if (!options_.strip_accents) return out[0] = c, 1;
    return unicode::decompose(c, unicode::Form::kCanonical, out);
  }

  // All that becomes of one code point; -1 where that depends on its neighbours.
  int map(char32_t c, char32_t out[kMaxOutput]) const {
    char32_t cleaned[3];
    char32_t parts[unicode::kMaxDecomposition];
    int count = 0;
    const int cleaned_count = clean(c, cleaned);
    for (int i = 0; i < cleaned_count; ++i) {
      const int part_count = decompose(cleaned[i], parts);
      for (int j = 0; j < part_count; ++j) {
        const int folded = fold(parts[j], out + count);
        const bool moves = options_.strip_accents && unicode::combining_class(parts[j]) != 0;
        if (folded != 0 && moves) return -1;
        count += folded;
      }
    }
    return count;
  }

  uint32_t tabulate(char32_t c) const {
    // Most of the plane, told without the work: ideographs just get spaces, Hangul syllables fall
    // apart.
    const bool ideograph = (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF);
    if (options_.handle_chinese_chars && ideograph) return CodePointMap::kSpaced + c;
    if (options_.strip_accents && c >= 0xAC00 && c <= 0xD7A3) return CodePointMap::kSeveral;
    char32_t out[kMaxOutput];
    const int count = map(c, out);
    if (count < 0) return CodePointMap::kNeighbours;
    if (count == 0) return CodePointMap::kDropped;
    if (count == 1) return out[0];
    const bool spaced = count == 3 && out[0] == ' ' && out[2] == ' ';
    return spaced ? CodePointMap::kSpaced + out[1] : CodePointMap::kSeveral;
  }

  // Appends what becomes of `c`; false where map() needs the neighbours.
  bool append_several(char32_t c, Offset origin, NormalizedText& result) const {
    char32_t out[kMaxOutput];
    const int count = map(c, out);
    for (int i = 0; i < count; ++i) result.append(out[i], origin);
    return count >= 0;
  }

  // The one pass. False, with `text` as it was, where it meets a mark that stays.
  template <bool kTracked>
  bool fused(NormalizedText& text) const {
    NormalizedText result;
    result.tracked = kTracked;
    result.text.reserve(text.text.size() + text.text.size() / 4 + 16);
    if (kTracked) result.alignment.reserve(result.text.capacity());
    const char* const begin = text.text.data();
    const char* const end = begin + text.text.size();
    for (const char* at = begin; at != end;) {
      const Offset origin = kTracked ? text.alignment[static_cast<size_t>(at - begin)] : Offset{};
      const char32_t c = unicode::next(at);
      const uint32_t entry = c < CodePointMap::kSize ? map_.of(c) : tabulate(c);
      if (entry < 0x80) {
        result.text.push_back(static_cast<char>(entry));
        if (kTracked) result.alignment.push_back(origin);
      } else if (entry < CodePointMap::kSpaced) {
        result.append(entry, origin);
      } else if (entry != CodePointMap::kDropped && !append_several(c, origin, result)) {
        return false;
      }
    }
    text = std::move(result);
    return true;
  }

  void step_by_step(NormalizedText& text) const {
    rewrite_each(text, [this](char32_t c, char32_t* out) { return clean(c, out); });
    normalize_form(text, unicode::Form::kCanonical, Composition::kDecomposed);
    rewrite_each(text, [this](char32_t c, char32_t* out) { return fold(c, out); });
  }

  BertOptions options_;
  CodePointMap map_;
};

}  // namespace

Result<std::unique_ptr<Normalizer>> make_bert_normalizer(const json::object& spec) {
  BertOptions options;
  WDE_ASSIGN_OR_RETURN(options.clean_text, json::get_bool(spec, "clean_text", true));
  WDE_ASSIGN_OR_RETURN(options.handle_chinese_chars,
                       json::get_bool(spec, "handle_chinese_chars", true));
  WDE_ASSIGN_OR_RETURN(options.lowercase, json::get_bool(spec, "lowercase", true));
  // Null stands for "as lowercase", as in the original BERT.
  WDE_ASSIGN_OR_RETURN(options.strip_accents,
                       json::get_bool(spec, "strip_accents", options.lowercase));
  return Result<std::unique_ptr<Normalizer>>(std::make_unique<BertNormalizer>(options));
}

}  // namespace wde::tokenizer
