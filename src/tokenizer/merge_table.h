// The merges of a byte-pair vocabulary: which two tokens become which one, and how early. An open
// hash table of 16-byte slots, one look a pair nearly always. Immutable after build(); any thread.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace wde::tokenizer {

struct Merge {
  static constexpr uint32_t kNone = 0xFFFFFFFF;
  uint32_t rank = kNone;  // lower ranks go first; kNone: the two do not merge
  int32_t id = -1;        // what they become
};

class MergeTable {
 public:
  struct Pair {
    int32_t left = 0;
    int32_t right = 0;
    int32_t merged = 0;
  };

  MergeTable() : slots_(1), shift_(63) {}

  // `pairs` in the order of their ranks, ids not negative; of equal pairs the last counts.
  explicit MergeTable(std::span<const Pair> pairs)
      : slots_(std::bit_ceil(pairs.size() + pairs.size() / 2 + 2)),
        shift_(64 - std::bit_width(slots_.size() - 1)) {
    for (size_t rank = 0; rank < pairs.size(); ++rank) {
      const Pair& pair = pairs[rank];
      Slot& slot = slots_[slot_of(key_of(pair.left, pair.right))];
      slot = {key_of(pair.left, pair.right), {static_cast<uint32_t>(rank), pair.merged}};
    }
  }

  Merge find(int32_t left, int32_t right) const {
    return slots_[slot_of(key_of(left, right))].merge;
  }

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};  // ids are not negative
  struct Slot {
    uint64_t key = kEmpty;
    Merge merge;
  };

  static uint64_t key_of(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  // Where the key is, or the empty slot where it would be.
  size_t slot_of(uint64_t key) const {
    constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;  // Fibonacci hashing: Knuth, TAOCP 3, 6.4
    size_t slot = (key ^ key >> 32) * kGolden >> shift_;
    while (slots_[slot].key != key && slots_[slot].key != kEmpty)
      slot = (slot + 1) & (slots_.size() - 1);
    return slot;
  }

  std::vector<Slot> slots_;  // a power of two, at least one of them empty
  int shift_;
};

}  // namespace wde::tokenizer
