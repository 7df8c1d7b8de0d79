#include "base/utf8.h"

#include <cstdint>
#include <cstring>

namespace wde {
namespace {

// Length in bytes of the well-formed sequence at `at`, or minus the length of the maximal
// ill-formed subpart there (Unicode 15, table 3-7).
int sequence_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t offset) -> unsigned {
    return at + offset < text.size() ? static_cast<uint8_t>(text[at + offset]) : 0u;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return -1;
  const int length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  unsigned low = 0x80, high = 0xBF;  // bounds of the second byte
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  if (byte(1) < low || byte(1) > high) return -1;
  for (int i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return -i;
  }
  return length;
}

// Whether the next eight bytes are there and all ASCII.
bool is_ascii_word(std::string_view text, size_t at) {
  uint64_t bytes = ~uint64_t{0};
  if (text.size() - at >= sizeof(bytes)) std::memcpy(&bytes, text.data() + at, sizeof(bytes));
  return (bytes & 0x8080808080808080) == 0;
}

// Offset of the first ill-formed byte, or text.size().
size_t find_invalid(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (is_ascii_word(text, at)) {
      at += sizeof(uint64_t);
      continue;
    }
    const int length = sequence_length(text, at);
    if (length < 0) return at;
    at += static_cast<size_t>(length);
  }
  return at;
}

}  // namespace

bool is_valid_utf8(std::string_view text) { return find_invalid(text) == text.size(); }

std::string replace_invalid_utf8(std::string_view text, bool* replaced) {
  size_t at = find_invalid(text);
  if (replaced != nullptr) *replaced = at != text.size();
  std::string out(text.substr(0, at));
  while (at < text.size()) {
    const int length = sequence_length(text, at);
    if (length > 0) {
      out.append(text.substr(at, static_cast<size_t>(length)));
      at += static_cast<size_t>(length);
    } else {
      out += "\xEF\xBF\xBD";
      at += static_cast<size_t>(-length);
    }
  }
  return out;
}

size_t count_code_points(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<uint8_t>(c) & 0xC0) != 0x80;
  return count;
}

}  // namespace wde
