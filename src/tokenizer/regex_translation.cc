// Where Oniguruma (Ruby's syntax, Unicode) and PCRE2 (UTF, UCP) read the same pattern differently:
//   \s      PCRE2 also takes U+180E, which is no white space since Unicode 6.3
//   \w      PCRE2: letters, numbers, underscore; Oniguruma: Alphabetic, marks, digits, connectors
//   \h, \v  hexadecimal digits and the vertical tab; PCRE2: classes of white space
//   {,n}    a quantifier; PCRE2 reads the characters themselves
//   {n,m}+  two quantifiers; PCRE2 reads one that is possessive
//   [a[b]]  sets within sets, and && between them, which PCRE2 does not have
// Sources: Oniguruma's doc/RE, pcre2pattern(3); the classes were compared code point by code point.
#include "base/status.h"
#include "tokenizer/regex.h"

namespace wde::tokenizer {
namespace {

// Members of sets. Alone, but not in a set, Oniguruma's \w takes the superscripts and fractions of
// Latin-1, too.
constexpr std::string_view kSpace = "\\p{Z}\\x09-\\x0D\\x{85}";
constexpr std::string_view kWord =
    "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";
constexpr std::string_view kWordInSet = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
constexpr std::string_view kHexDigit = "0-9A-Fa-f";
// Escapes of letters and digits that mean the same in both.
constexpr std::string_view kSameEscapes = "tnrfaedDAzZRXGk123456789";
constexpr std::string_view kSameEscapesInSet = "tnrfaedDb";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

class Translation {
 public:
  explicit Translation(std::string_view from) : from_(from) {}

  Result<std::string> run() {
    while (at_ < from_.size()) {
      const char c = from_[at_];
      Status status;
      if (c == '\\')
        status = escape();
      else if (in_set_)
        status = set_member();
      else if (c == '[')
        begin_set();
      else if (c == '(')
        status = group();
      else if (c == '{')
        status = brace();
      else
        copy(1);
      if (!status.ok()) return status;
    }
    return std::move(to_);
  }

 private:
  void copy(size_t count) {
    to_ += from_.substr(at_, count);
    at_ += count;
  }
  void replace(size_t count, std::string_view by) {
    to_ += by;
    at_ += count;
  }
  bool follows(std::string_view text) const { return from_.substr(at_).starts_with(text); }

  Status refuse(std::string_view what) const {
    return unsupported_error("{} in the regular expression \"{}\"", what, from_);
  }

  void begin_set() {
    in_set_ = true;
    copy(1);
    if (follows("^")) copy(1);
    if (follows("]")) replace(1, "\\]");  // as the first member it is itself
  }

  Status set_member() {
    if (from_[at_] == '[') return refuse("a set within a set");
    if (follows("&&")) return refuse("the intersection of sets");
    if (from_[at_] == ']') in_set_ = false;
    copy(1);
    return {};
  }

  // Ruby's (?m) is PCRE2's (?s), and its (?i) within a pattern reaches over the alternatives that
  // follow.
  Status group() {
    if (follows("(?#")) return refuse("a comment");
    if (!follows("(?")) return copy(1), Status();
    size_t end = at_ + 2;
    bool flags = false;
    for (; end < from_.size() && (from_[end] == '-' || is_alphanumeric(from_[end])); ++end) {
      if (from_[end] == 'm' || from_[end] == 'x') return refuse("the option m or x");
      flags = true;
    }
    const bool open = flags && end < from_.size() && from_[end] == ')';
    if (open && at_ != 0) return refuse("an option without a group behind the pattern's begin");
    copy(end - at_);
    return {};
  }

  Status brace() {
    size_t end = at_ + 1;
    size_t commas = 0;
    while (end < from_.size() && (is_digit(from_[end]) || from_[end] == ',')) {
      commas += from_[end++] == ',' ? 1 : 0;
    }
    const bool quantifier = end < from_.size() && from_[end] == '}' && end != at_ + 1 &&
                            commas < 2 && !(commas == 1 && end == at_ + 2);
    if (!quantifier) return replace(1, "\\{"), Status();
    if (end + 1 < from_.size() && from_[end + 1] == '+') return refuse("{n,m}+");
    if (from_[at_ + 1] == ',') replace(1, "{0");
    copy(end + 1 - at_);
    return {};
  }

  Status escape() {
    if (at_ + 1 == from_.size()) return data_loss_error("\"{}\" ends with \\", from_);
    const char c = from_[at_ + 1];
    if (!is_alphanumeric(c)) return copy(2), Status();
    if (c == 'u') return unicode_escape();
    if (c == 'x' && from_.substr(at_ + 2, 1) != "{") return byte_escape();
    if (c == 'v') return replace(2, "\\x0B"), Status();
    if (c == 'p' || c == 'P' || c == 'x') return braced_escape();
    const std::string_view same = in_set_ ? kSameEscapesInSet : kSameEscapes;
    if (same.find(c) != std::string_view::npos) return copy(2), Status();
    return in_set_ ? class_in_set(c) : class_outside(c);
  }

  Status braced_escape() {  // \p{L}, \x{2581}
    const size_t end = from_.find('}', at_);
    if (from_.substr(at_ + 2, 1) != "{" || end == from_.npos)
      return data_loss_error("\\{} without {{…}} in the regular expression \"{}\"", from_[at_ + 1],
                             from_);
    copy(end + 1 - at_);
    return {};
  }

  Status class_in_set(char c) {
    if (c == 's') return replace(2, kSpace), Status();
    if (c == 'w') return replace(2, kWordInSet), Status();
    if (c == 'h') return replace(2, kHexDigit), Status();
    if (c == 'S') return copy(2), Status();  // but for U+180E, which no member can add alone
    return refuse(std::string("\\") + c + " in a set");
  }

  Status class_outside(char c) {
    const auto set = [&](std::string_view begin, std::string_view members) {
      replace(2, begin);
      to_ += members;
      to_ += ']';
      return Status();
    };
    switch (c) {
      case 's':
        return set("[", kSpace);
      case 'S':
        return set("[^", kSpace);
      case 'w':
        return set("[", kWord);
      case 'W':
        return set("[^", kWord);
      case 'h':
        return set("[", kHexDigit);
      case 'H':
        return set("[^", kHexDigit);
      case 'b':
      case 'B':
        return boundary(c == 'b');
      default:
        return refuse(std::string("\\") + c);
    }
  }

  Status boundary(bool at_boundary) {
    const std::string word = "[" + std::string(kWord) + "]";
    const std::string ahead = "(?=" + word + ")", not_ahead = "(?!" + word + ")";
    replace(2, "(?:(?<=" + word + ")" + (at_boundary ? not_ahead : ahead));
    to_ += "|(?<!" + word + ")" + (at_boundary ? ahead : not_ahead) + ")";
    return {};
  }

  Status unicode_escape() {  // \u2581
    const std::string_view digits = from_.substr(at_ + 2, 4);
    if (digits.size() != 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != digits.npos)
      return refuse("\\u without four digits");
    replace(6, "\\x{" + std::string(digits) + "}");
    return {};
  }

  Status byte_escape() {  // \x20; from \x80 on it would be a byte and no code point
    const std::string_view digits = from_.substr(at_ + 2, 2);
    if (digits.size() != 2 || digits[0] < '0' || digits[0] > '7') return refuse("\\x");
    copy(4);
    return {};
  }

  std::string_view from_;
  size_t at_ = 0;
  bool in_set_ = false;
  std::string to_;
};

}  // namespace

Result<std::string> translate_regex(std::string_view pattern) { return Translation(pattern).run(); }

}  // namespace wde::tokenizer
