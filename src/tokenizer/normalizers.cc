// The normalizers but BertNormalizer: lower case, accents, Unicode forms, strip, replace, prepend,
// sequence.
#include <algorithm>

#include "tokenizer/registry.h"
#include "tokenizer/text_pattern.h"

namespace wde::tokenizer {
namespace {

using unicode::CharClasses;

class Lowercase final : public Normalizer {
 public:
  void normalize(NormalizedText& text) const override { rewrite_each(text, unicode::to_lower); }
  double growth() const override { return 1.5; }  // U+0130, U+023A: 2 bytes to 3
};

class StripAccents final : public Normalizer {
 public:
  void normalize(NormalizedText& text) const override {
    if (unicode::is_ascii(text.text)) return;
    const CharClasses& classes = CharClasses::get();
    rewrite_each(text, [&](char32_t c, char32_t* out) {
      out[0] = c;
      return (classes.of(c) & unicode::kMark) != 0 ? 0 : 1;
    });
  }
  double growth() const override { return 1; }
};

// What sentencepiece's "nmt" rules do to controls and to code points that stand for a space.
class Nmt final : public Normalizer {
 public:
  void normalize(NormalizedText& text) const override {
    rewrite_each(text, [](char32_t c, char32_t* out) {
      const bool dropped = (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) ||
                           c == 0x7F || c == 0x8F || c == 0x9F;
      const bool space = c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == 0x1680 ||
                         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
                         c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
      out[0] = space ? ' ' : c;
      return dropped ? 0 : 1;
    });
  }
  double growth() const override { return 1; }
};

class UnicodeForm final : public Normalizer {
 public:
  UnicodeForm(unicode::Form form, Composition composition)
      : form_(form), composition_(composition) {}
  void normalize(NormalizedText& text) const override { normalize_form(text, form_, composition_); }
  // U+FDFA: 3 bytes to 33.
  double growth() const override { return form_ == unicode::Form::kCompatibility ? 11 : 4; }
  bool keeps(std::string_view text) const override {
    return form_ == unicode::Form::kCanonical && composition_ == Composition::kComposed
               ? unicode::is_composed(text)
               : unicode::is_ascii(text);
  }

 private:
  unicode::Form form_;
  Composition composition_;
};

struct StripSides {
  bool left = false;
  bool right = false;
};

class Strip final : public Normalizer {
 public:
  explicit Strip(StripSides sides) : sides_(sides) {}

  void normalize(NormalizedText& text) const override {
    const CharClasses& classes = CharClasses::get();
    const char* begin = text.text.data();
    const char* end = begin + text.text.size();
    while (sides_.left && begin != end) {
      const char* next = begin;
      if ((classes.of(unicode::next(next)) & unicode::kWhitespace) == 0) break;
      begin = next;
    }
    while (sides_.right && begin != end) {
      const char* previous = end;
      if ((classes.of(unicode::previous(previous)) & unicode::kWhitespace) == 0) break;
      end = previous;
    }
    keep(text, static_cast<size_t>(begin - text.text.data()),
         static_cast<size_t>(end - text.text.data()));
  }
  double growth() const override { return 1; }

 private:
  static void keep(NormalizedText& text, size_t begin, size_t end) {
    text.text = text.text.substr(begin, end - begin);
    if (!text.tracked) return;
    text.alignment.erase(text.alignment.begin() + static_cast<ptrdiff_t>(end),
                         text.alignment.end());
    text.alignment.erase(text.alignment.begin(),
                         text.alignment.begin() + static_cast<ptrdiff_t>(begin));
  }

  StripSides sides_;
};

class Replace final : public Normalizer {
 public:
  Replace(TextPattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void normalize(NormalizedText& text) const override {
    std::vector<Range> matches;
    text.failed = !pattern_.find_all(text.text, matches);
    if (text.failed || matches.empty()) return;
    NormalizedText result;
    result.tracked = text.tracked;
    size_t done = 0;
    for (const Range& match : matches) {
      result.append(text, done, match.begin);
      done = match.end;
      result.append(content_, done == 0 ? Offset{} : text.origin(done - 1));
    }
    result.append(text, done, text.text.size());
    text = std::move(result);
  }
  double growth() const override {
    const auto content_bytes = static_cast<double>(content_.size());
    const auto shortest = static_cast<double>(pattern_.shortest_match());
    // An empty match leaves the text as it is, and there is one more place than there are bytes.
    return shortest == 0 ? 1 + 2 * content_bytes : std::max(1.0, content_bytes / shortest);
  }

 private:
  TextPattern pattern_;
  std::string content_;
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}

  void normalize(NormalizedText& text) const override {
    if (text.text.empty()) return;
    NormalizedText result;
    result.tracked = text.tracked;
    result.append(prefix_, text.origin(0));
    result.append(text);
    text = std::move(result);
  }
  double growth() const override { return 1 + static_cast<double>(prefix_.size()); }

 private:
  std::string prefix_;
};

class NormalizerSequence final : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<Normalizer>> parts)
      : parts_(std::move(parts)) {}

  void normalize(NormalizedText& text) const override {
    for (const auto& part : parts_) {
      part->normalize(text);
      if (text.failed) return;
    }
  }
  bool keeps(std::string_view text) const override {
    return std::all_of(parts_.begin(), parts_.end(),
                       [&](const auto& part) { return part->keeps(text); });
  }
  double growth() const override {
    double product = 1;
    for (const auto& part : parts_) product *= part->growth();
    return product;
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
};

using Made = Result<std::unique_ptr<Normalizer>>;

Made make_form(unicode::Form form, Composition composition) {
  return Made(std::make_unique<UnicodeForm>(form, composition));
}

}  // namespace

Made make_lowercase(const json::object&) { return Made(std::make_unique<Lowercase>()); }
Made make_strip_accents(const json::object&) { return Made(std::make_unique<StripAccents>()); }
Made make_nmt(const json::object&) { return Made(std::make_unique<Nmt>()); }
Made make_nfc(const json::object&) {
  return make_form(unicode::Form::kCanonical, Composition::kComposed);
}
Made make_nfd(const json::object&) {
  return make_form(unicode::Form::kCanonical, Composition::kDecomposed);
}
Made make_nfkc(const json::object&) {
  return make_form(unicode::Form::kCompatibility, Composition::kComposed);
}
Made make_nfkd(const json::object&) {
  return make_form(unicode::Form::kCompatibility, Composition::kDecomposed);
}

Made make_strip(const json::object& spec) {
  StripSides sides;
  WDE_ASSIGN_OR_RETURN(sides.left, json::get_bool(spec, "strip_left", true));
  WDE_ASSIGN_OR_RETURN(sides.right, json::get_bool(spec, "strip_right", true));
  return Made(std::make_unique<Strip>(sides));
}

Made make_replace(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(TextPattern pattern, TextPattern::read(spec));
  WDE_ASSIGN_OR_RETURN(std::string content, json::get_string(spec, "content", ""));
  return Made(std::make_unique<Replace>(std::move(pattern), std::move(content)));
}

Made make_prepend(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(std::string prefix, json::get_string(spec, "prepend", ""));
  return Made(std::make_unique<Prepend>(std::move(prefix)));
}

Made make_normalizer_sequence(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const json::array* specs, json::get_array(spec, "normalizers"));
  if (specs == nullptr) return data_loss_error("\"normalizers\" is missing");
  std::vector<std::unique_ptr<Normalizer>> parts;
  for (const json::value& part : *specs) {
    const json::object* part_spec = part.if_object();
    if (part_spec == nullptr) return data_loss_error("\"normalizers\" must hold objects");
    WDE_ASSIGN_OR_RETURN(parts.emplace_back(), make_normalizer(*part_spec));
  }
  return Made(std::make_unique<NormalizerSequence>(std::move(parts)));
}

}  // namespace wde::tokenizer
