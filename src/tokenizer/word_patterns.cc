#include "tokenizer/word_patterns.h"

#include <array>
#include <limits>

#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"

namespace wde::tokenizer {
namespace {

enum class Kind : uint8_t { kOther, kLetter, kNumber, kSpace };

constexpr std::array<Kind, 128> make_ascii_kinds() {
  std::array<Kind, 128> kinds{};
  for (size_t c = 0; c < kinds.size(); ++c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) kinds[c] = Kind::kLetter;
    if (c >= '0' && c <= '9') kinds[c] = Kind::kNumber;
    if (c == ' ' || (c >= '\t' && c <= '\r')) kinds[c] = Kind::kSpace;
  }
  return kinds;
}
constexpr std::array<Kind, 128> kAsciiKinds = make_ascii_kinds();

Kind kind_beyond_ascii(char32_t c) {
  const uint8_t classes = unicode::CharClasses::get().of(c);
  if ((classes & unicode::kLetter) != 0) return Kind::kLetter;
  if ((classes & unicode::kNumber) != 0) return Kind::kNumber;
  return (classes & unicode::kWhitespace) != 0 ? Kind::kSpace : Kind::kOther;
}

// Steps over one code point.
inline Kind step(const char*& at) {
  const auto byte = static_cast<uint8_t>(*at);
  if (byte < 0x80) return ++at, kAsciiKinds[byte];
  return kind_beyond_ascii(unicode::next(at));
}

// The end of the run of `kind` that begins at `at`, at most `count` code points of it.
inline const char* run_end(Kind kind, const char* at, const char* end,
                           int count = std::numeric_limits<int>::max()) {
  for (; at != end && count > 0; --count) {
    const char* next = at;
    if (step(next) != kind) break;
    at = next;
  }
  return at;
}

// \s+(?!\S)|\s+ : a run of white space leaves its last code point to the word behind it.
const char* space_end(const char* at, const char* end) {
  const char* run = run_end(Kind::kSpace, at, end);
  if (run == end) return run;
  const char* last = run;
  unicode::previous(last);
  return last == at ? run : last;
}

bool is_newline(char c) { return c == '\r' || c == '\n'; }

const char* gpt2_contraction(const char* at, const char* end) {
  const std::string_view rest(at + 1, static_cast<size_t>(end - at - 1));
  for (const std::string_view ending : {"s", "t", "re", "ve", "m", "ll", "d"}) {
    if (rest.starts_with(ending)) return at + 1 + ending.size();
  }
  return nullptr;
}

const char* gpt2_word_end(const char* at, const char* end) {
  if (*at == '\'') {
    if (const char* contraction = gpt2_contraction(at, end)) return contraction;
  }
  const char* next = at;
  Kind kind = step(next);
  if (*at == ' ' && next != end) {
    const char* behind = next;
    const Kind second = step(behind);
    if (second != Kind::kSpace) next = behind, kind = second;
  }
  return kind == Kind::kSpace ? space_end(at, end) : run_end(kind, next, end);
}

// In any case; a small long s (U+017F) folds to s.
const char* caseless_contraction(const char* at, const char* end) {
  const std::string_view rest(at + 1, static_cast<size_t>(end - at - 1));
  if (rest.empty()) return nullptr;
  const auto lower = [&](size_t i) { return i < rest.size() ? rest[i] | 0x20 : 0; };
  switch (lower(0)) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return at + 2;
    case 'r':
    case 'v':
      return lower(1) == 'e' ? at + 3 : nullptr;
    case 'l':
      return lower(1) == 'l' ? at + 3 : nullptr;
    default:
      return rest.starts_with("\u017F") ? at + 3 : nullptr;
  }
}

// \s*[\r\n]+|\s+(?!\S)|\s+ : a run of white space ends behind its last line break, if it has one.
const char* space_or_lines_end(const char* at, const char* end) {
  const char* const run = run_end(Kind::kSpace, at, end);
  for (const char* last = run; last != at; --last) {
    if (is_newline(last[-1])) return last;
  }
  return space_end(at, end);
}

// [^\s\p{L}\p{N}]+[\r\n]* from `at` on, where at least one such character was met before.
const char* other_end(const char* at, const char* end) {
  at = run_end(Kind::kOther, at, end);
  while (at != end && is_newline(*at)) ++at;
  return at;
}

template <int kMaxDigits>
const char* llama3_word_end(const char* at, const char* end) {
  if (*at == '\'') {
    if (const char* contraction = caseless_contraction(at, end)) return contraction;
  }
  const char* next = at;
  const Kind kind = step(next);
  if (kind == Kind::kLetter) return run_end(kind, next, end);
  if (kind == Kind::kNumber) return run_end(kind, next, end, kMaxDigits - 1);
  if (next != end && !is_newline(*at)) {
    const char* behind = next;
    const Kind second = step(behind);
    if (second == Kind::kLetter) return run_end(second, behind, end);
    if (second == Kind::kOther && *at == ' ') return other_end(behind, end);
  }
  return kind == Kind::kOther ? other_end(next, end) : space_or_lines_end(at, end);
}

}  // namespace

WordEnd known_word_pattern(std::string_view pattern) {
  if (pattern == byte_level::kWordPattern) return gpt2_word_end;
  if (pattern == kLlama3WordPattern) return llama3_word_end<3>;
  if (pattern == kQwen2WordPattern) return llama3_word_end<1>;
  return nullptr;
}

}  // namespace wde::tokenizer
