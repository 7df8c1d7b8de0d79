// What the tokenizer's parts ask of Unicode, all of it answered by utf8proc: character classes,
// lower case, (de)composition, and stepping through UTF-8 that is known to be valid. Knows nothing
// of tokens. Immutable; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace wde::tokenizer::unicode {

// Bits of CharClasses::of().
enum CharClass : uint8_t {
  kWhitespace = 1,      // White_Space
  kControl = 2,         // general categories Cc, Cf, Co
  kPunctuation = 4,     // ASCII punctuation and general categories P*
  kNonspacingMark = 8,  // Mn
  kMark = 16,           // Mn, Mc, Me
  kWord = 32,           // regex \w: Alphabetic, M*, Nd, Pc, Join_Control
  kLetter = 64,         // general categories L*
  kNumber = 128,        // general categories N*
};

// The classes of all code points: those of the basic plane looked up in a table that is filled from
// utf8proc once, the others asked of it.
class CharClasses {
 public:
  uint8_t of(char32_t code_point) const {
    return code_point < kTableSize ? table_[code_point] : compute(code_point);
  }
  // The one instance; loops fetch it once.
  static const CharClasses& get();

 private:
  static constexpr char32_t kTableSize = 0x10000;
  CharClasses();
  static uint8_t compute(char32_t code_point);
  std::unique_ptr<uint8_t[]> table_;
};

// Canonical combining class.
int combining_class(char32_t code_point);

// At most this many code points come of one by decomposition (U+FDFA has 18).
inline constexpr int kMaxDecomposition = 32;
enum class Form { kCanonical, kCompatibility };
// Full decomposition of one code point into out[0..return), not reordered; itself where it has
// none.
int decompose(char32_t code_point, Form form, char32_t out[kMaxDecomposition]);
// The primary composite of a pair; 0 where there is none.
char32_t compose(char32_t first, char32_t second);
// Unconditional lower case mapping of one code point: 1 code point, or 2 for U+0130.
int to_lower(char32_t code_point, char32_t out[2]);

// Whether a code point is always a grapheme cluster of its own where it stands between two others
// of which that is true (most are; carriage return counts as none).
bool is_lone_grapheme(char32_t code_point);
// Whether a grapheme cluster ends between two code points that follow each other (UAX #29, extended
// clusters). `state` begins as 0 and goes from pair to pair of a text.
bool grapheme_breaks(char32_t before, char32_t after, int32_t& state);

// Steps over one code point; [at, …) must start a well-formed sequence.
inline char32_t next(const char*& at) {
  const auto byte = [&](int i) { return static_cast<char32_t>(static_cast<uint8_t>(at[i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return ++at, lead;
  if (lead < 0xE0) {
    const char32_t code_point = (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    return at += 2, code_point;
  }
  if (lead < 0xF0) {
    const char32_t code_point = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    return at += 3, code_point;
  }
  const char32_t code_point =
      (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  return at += 4, code_point;
}

// Calls visit(begin, end, classes) for every code point of text[from, to), by its bytes.
template <class Visit>
void for_each_class(std::string_view text, uint32_t from, uint32_t to, const Visit& visit) {
  const CharClasses& classes = CharClasses::get();
  const char* const begin = text.data();
  const char* const end = begin + to;
  for (const char* at = begin + from; at != end;) {
    const auto first = static_cast<uint32_t>(at - begin);
    const uint8_t found = classes.of(next(at));
    visit(first, static_cast<uint32_t>(at - begin), found);
  }
}

// Steps back over one code point; `at` must be behind a well-formed sequence.
inline char32_t previous(const char*& at) {
  do --at;
  while ((static_cast<uint8_t>(*at) & 0xC0) == 0x80);
  const char* forward = at;
  return next(forward);
}

// Writes the UTF-8 form to out[0..4) and returns its length.
inline int encode(char32_t code_point, char* out) {
  if (code_point < 0x80) return out[0] = static_cast<char>(code_point), 1;
  const auto tail = [&](int shift) {
    return static_cast<char>(0x80 | ((code_point >> shift) & 0x3F));
  };
  if (code_point < 0x800) {
    out[0] = static_cast<char>(0xC0 | code_point >> 6), out[1] = tail(0);
    return 2;
  }
  if (code_point < 0x10000) {
    out[0] = static_cast<char>(0xE0 | code_point >> 12), out[1] = tail(6), out[2] = tail(0);
    return 3;
  }
  out[0] = static_cast<char>(0xF0 | code_point >> 18), out[1] = tail(12), out[2] = tail(6),
  out[3] = tail(0);
  return 4;
}

bool is_ascii(std::string_view text);
// Whether `text`, which is valid UTF-8, is certainly in normalization form C, for none of its code
// points is ever changed by that or joins another.
bool is_composed(std::string_view text);

}  // namespace wde::tokenizer::unicode
