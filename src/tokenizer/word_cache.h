// The ids of words that were met before. It fills up and then stays: an entry that was published
// never changes, so readers take no lock and writers none either. Any thread. Knows nothing of how
// ids come about.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace wde::tokenizer {

class WordCache {
 public:
  // What a word is spelt in: the same bytes mean another word in the other.
  enum class Spelling : uint32_t { kText = 0, kBytes = 0x80000000 };

  static constexpr size_t kMaxWordBytes = 255;
  static constexpr size_t kMaxIds = 255;

  WordCache();

  // Appends the word's ids; false, with `ids` as it was, where it is not known. `hash` is
  // hash_of(word, spelling).
  bool append(std::string_view word, Spelling spelling, uint64_t hash,
              std::vector<int32_t>& ids) const;
  // Keeps the word where there is room; longer ones than the limits above are not kept.
  void insert(std::string_view word, Spelling spelling, uint64_t hash,
              std::span<const int32_t> ids);

  static uint64_t hash_of(std::string_view word, Spelling spelling);

 private:
  // Entries lie in the arena as a head {bytes of the word, ids, spelling}, the ids, the word,
  // filled up to four bytes.
  static constexpr size_t kSlots = size_t{1} << 16;
  static constexpr size_t kProbes = 4;
  static constexpr uint32_t kArenaWords = 1u << 20;  // 4 MiB

  // The upper half of the hash and where the entry lies; 0 is empty.
  std::vector<std::atomic<uint64_t>> slots_;
  std::unique_ptr<uint32_t[]> arena_;  // pages come as they are written
  std::atomic<uint32_t> used_ = 1;     // of the arena; no entry lies at 0
};

}  // namespace wde::tokenizer
