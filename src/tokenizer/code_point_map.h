// What a normalizer makes of each code point of the basic plane, as far as that does not depend on
// the code points around it. Immutable once filled; any thread. Knows nothing of words.
#pragma once

#include <cstdint>
#include <vector>

namespace wde::tokenizer {

class CodePointMap {
 public:
  static constexpr char32_t kSize = 0x10000;  // the basic plane
  // An entry is a code point, or that plus kSpaced: the code point with a space on either side; or
  // one of these.
  static constexpr uint32_t kSpaced = 1u << 21;
  static constexpr uint32_t kDropped = kSpaced << 1;
  static constexpr uint32_t kSeveral = kDropped + 1;     // any other code points
  static constexpr uint32_t kNeighbours = kDropped + 2;  // that depends on what stands around it

  CodePointMap() : entries_(kSize) {}

  void set(char32_t code_point, uint32_t entry) { entries_[code_point] = entry; }
  // `code_point` < kSize.
  uint32_t of(char32_t code_point) const { return entries_[code_point]; }

 private:
  std::vector<uint32_t> entries_;
};

}  // namespace wde::tokenizer
