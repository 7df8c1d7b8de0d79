// Where code points lie in bytes, for answers that are parts of a text.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace wde::pipeline {

// The byte at which each code point of well-formed UTF-8 begins, and the length.
inline std::vector<size_t> code_point_bytes(std::string_view text) {
  std::vector<size_t> bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) bytes.push_back(i);
  }
  bytes.push_back(text.size());
  return bytes;
}

}  // namespace wde::pipeline
