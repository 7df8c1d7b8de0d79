#include "tokenizer/unicode.h"

#include <utf8proc.h>

#include <vector>

namespace wde::tokenizer::unicode {
namespace {

bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

// White_Space (PropList.txt) is Zs, Zl, Zp and these controls.
bool is_whitespace_control(char32_t c) { return (c >= 0x09 && c <= 0x0D) || c == 0x85; }

// The only members of Alphabetic that no general category of kWord covers: circled, parenthesized,
// squared letters, which are So (Other_Alphabetic of PropList.txt). utf8proc carries no such
// property.
bool is_enclosed_letter(char32_t c) {
  return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
         (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

bool is_join_control(char32_t c) { return c == 0x200C || c == 0x200D; }

uint8_t classes_of_category(utf8proc_category_t category) {
  switch (category) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return kWhitespace;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO:
      return kControl;
    case UTF8PROC_CATEGORY_PC:
      return kPunctuation | kWord;
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return kPunctuation;
    case UTF8PROC_CATEGORY_MN:
      return kNonspacingMark | kMark | kWord;
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return kMark | kWord;
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return kWord | kLetter;
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_ND:
      return kWord | kNumber;
    case UTF8PROC_CATEGORY_NO:
      return kNumber;
    default:
      return 0;
  }
}

utf8proc_int32_t signed_code_point(char32_t c) { return static_cast<utf8proc_int32_t>(c); }

// Above these there are no combining marks and no second halves of compositions.
constexpr char32_t kInertTableSize = 0x20000;

bool may_change_when_composed(char32_t c) {
  char32_t parts[kMaxDecomposition];
  return combining_class(c) != 0 || decompose(c, Form::kCanonical, parts) != 1 || parts[0] != c;
}

bool recomposes(char32_t c, const char32_t* parts, int count) {
  char32_t composite = parts[0];
  for (int i = 1; i < count && composite != 0; ++i) composite = compose(composite, parts[i]);
  return composite == c;
}

// The code points that form C neither changes nor joins to what stands before them.
std::vector<bool> make_inert_table() {
  std::vector<bool> inert(kInertTableSize, true);
  char32_t parts[kMaxDecomposition];
  const auto forbid = [&](char32_t c) {
    if (c < kInertTableSize) inert[c] = false;
  };
  for (char32_t c = 0; c < kInertTableSize; ++c) {
    const utf8proc_property_t* property = utf8proc_get_property(signed_code_point(c));
    if (property->combining_class != 0) forbid(c);
    const bool hangul = c >= 0xAC00 && c <= 0xD7A3;
    if (property->decomp_seqindex == UINT16_MAX && !hangul) continue;
    const int count = decompose(c, Form::kCanonical, parts);
    if (!hangul && !recomposes(c, parts, count)) forbid(c);
    for (int i = 1; i < count; ++i) forbid(parts[i]);
  }
  return inert;
}

}  // namespace

uint8_t CharClasses::compute(char32_t c) {
  const utf8proc_property_t* property = utf8proc_get_property(signed_code_point(c));
  uint8_t classes = classes_of_category(static_cast<utf8proc_category_t>(property->category));
  if (is_whitespace_control(c)) classes |= kWhitespace;
  if (is_ascii_punctuation(c)) classes |= kPunctuation;
  if (is_enclosed_letter(c) || is_join_control(c)) classes |= kWord;
  return classes;
}

CharClasses::CharClasses() : table_(std::make_unique<uint8_t[]>(kTableSize)) {
  for (char32_t c = 0; c < kTableSize; ++c) table_[c] = compute(c);
}

const CharClasses& CharClasses::get() {
  static const CharClasses classes;
  return classes;
}

int combining_class(char32_t code_point) {
  return utf8proc_get_property(signed_code_point(code_point))->combining_class;
}

int decompose(char32_t code_point, Form form, char32_t out[kMaxDecomposition]) {
  const int options =
      form == Form::kCanonical ? UTF8PROC_DECOMPOSE : UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
  utf8proc_int32_t buffer[kMaxDecomposition];
  int boundary = 0;
  const utf8proc_ssize_t count =
      utf8proc_decompose_char(signed_code_point(code_point), buffer, kMaxDecomposition,
                              static_cast<utf8proc_option_t>(options), &boundary);
  if (count < 1 || count > kMaxDecomposition) return out[0] = code_point, 1;
  for (utf8proc_ssize_t i = 0; i < count; ++i) out[i] = static_cast<char32_t>(buffer[i]);
  return static_cast<int>(count);
}

char32_t compose(char32_t first, char32_t second) {
  utf8proc_int32_t pair[2] = {signed_code_point(first), signed_code_point(second)};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  return utf8proc_normalize_utf32(pair, 2, options) == 1 ? static_cast<char32_t>(pair[0]) : 0;
}

int to_lower(char32_t code_point, char32_t out[2]) {
  // The one unconditional lower case of two code points in SpecialCasing.txt; utf8proc has only the
  // simple mapping.
  if (code_point == 0x130) return out[0] = 'i', out[1] = 0x307, 2;
  out[0] = static_cast<char32_t>(utf8proc_tolower(signed_code_point(code_point)));
  return 1;
}

bool is_lone_grapheme(char32_t code_point) {
  switch (utf8proc_get_property(signed_code_point(code_point))->boundclass) {
    case UTF8PROC_BOUNDCLASS_START:
    case UTF8PROC_BOUNDCLASS_OTHER:
    case UTF8PROC_BOUNDCLASS_LF:
    case UTF8PROC_BOUNDCLASS_CONTROL:
    case UTF8PROC_BOUNDCLASS_LV:
    case UTF8PROC_BOUNDCLASS_LVT:
    case UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC:
      return true;
    default:
      return false;
  }
}

bool grapheme_breaks(char32_t before, char32_t after, int32_t& state) {
  return utf8proc_grapheme_break_stateful(signed_code_point(before), signed_code_point(after),
                                          &state);
}

bool is_composed(std::string_view text) {
  static const std::vector<bool> inert = make_inert_table();
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    if (static_cast<uint8_t>(*at) < 0x80) {
      ++at;
      continue;
    }
    const char32_t c = next(at);
    if (c < kInertTableSize ? !inert[c] : may_change_when_composed(c)) return false;
  }
  return true;
}

bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<uint8_t>(c) >= 0x80) return false;
  }
  return true;
}

}  // namespace wde::tokenizer::unicode
