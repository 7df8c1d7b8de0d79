// The loop at the heart of byte-pair encoding. Any thread.
#pragma once

#include <cstdint>
#include <span>

#include "tokenizer/merge_table.h"

namespace wde::tokenizer {

// A token on its way, and the bytes of the word it stands for.
struct Symbol {
  int32_t id = 0;
  uint32_t length = 0;
};

// Up to so many symbols the pair that merges next is looked for among all of them.
inline constexpr size_t kMaxScannedSymbols = 96;

// Merges neighbours in place while any do: the pair of the lowest rank first, the leftmost of
// equals. Returns how many symbols are left, at the front.
size_t merge_symbols(const MergeTable& merges, std::span<Symbol> symbols);

}  // namespace wde::tokenizer
