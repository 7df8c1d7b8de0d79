#include "tokenizer/word_cache.h"

#include <cstring>

namespace wde::tokenizer {
namespace {

uint32_t head_of(std::string_view word, WordCache::Spelling spelling, size_t ids) {
  return static_cast<uint32_t>(word.size()) | static_cast<uint32_t>(ids) << 8 |
         static_cast<uint32_t>(spelling);
}

uint64_t load_bytes(const char* from, size_t count) {
  uint64_t bytes = 0;
  std::memcpy(&bytes, from, count);
  return bytes;
}

// Folds the 128 bits of a product: wyhash's mixing step (github.com/wangyi-fudan/wyhash).
uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

WordCache::WordCache() : slots_(kSlots), arena_(new uint32_t[kArenaWords]) {}

uint64_t WordCache::hash_of(std::string_view word, Spelling spelling) {
  constexpr uint64_t kFirst = 0x9E3779B97F4A7C15, kSecond = 0xD1B54A32D192ED03;
  uint64_t hash = kFirst ^ word.size() ^ static_cast<uint64_t>(spelling) << 16;
  const char* at = word.data();
  size_t left = word.size();
  for (; left > 8; left -= 8, at += 8) hash = mix(hash ^ load_bytes(at, 8), kSecond);
  uint64_t last = 0;
  if (left >= 4)  // two overlapping halves
    last = load_bytes(at, 4) | load_bytes(at + left - 4, 4) << 32;
  else if (left != 0)
    last = uint64_t{static_cast<uint8_t>(at[0])} |
           uint64_t{static_cast<uint8_t>(at[left / 2])} << 8 |
           uint64_t{static_cast<uint8_t>(at[left - 1])} << 16;
  return mix(hash ^ last, kSecond ^ hash >> 32);
}

bool WordCache::append(std::string_view word, Spelling spelling, uint64_t hash,
                       std::vector<int32_t>& ids) const {
  for (size_t probe = 0; probe < kProbes; ++probe) {
    const uint64_t slot = slots_[(hash + probe) % kSlots].load(std::memory_order_acquire);
    if (slot == 0) return false;
    if (slot >> 32 != hash >> 32) continue;
    const uint32_t* entry = &arena_[static_cast<uint32_t>(slot)];
    const size_t count = entry[0] >> 8 & 0xFF;
    if (entry[0] != head_of(word, spelling, count)) continue;
    if (std::memcmp(entry + 1 + count, word.data(), word.size()) != 0) continue;
    const auto* first = reinterpret_cast<const int32_t*>(entry + 1);
    if (count == 1)
      ids.push_back(*first);
    else
      ids.insert(ids.end(), first, first + count);
    return true;
  }
  return false;
}

void WordCache::insert(std::string_view word, Spelling spelling, uint64_t hash,
                       std::span<const int32_t> ids) {
  if (word.size() > kMaxWordBytes || ids.size() > kMaxIds) return;
  const auto words = static_cast<uint32_t>(1 + ids.size() + (word.size() + 3) / 4);
  size_t probe = 0;
  while (probe < kProbes && slots_[(hash + probe) % kSlots].load(std::memory_order_relaxed) != 0)
    ++probe;
  if (probe == kProbes) return;
  // Once full it stays below its limit by this look, so that the sum can't come round.
  if (used_.load(std::memory_order_relaxed) > kArenaWords - words) return;
  const uint32_t at = used_.fetch_add(words, std::memory_order_relaxed);
  if (at > kArenaWords - words) return;
  uint32_t* entry = &arena_[at];
  entry[0] = head_of(word, spelling, ids.size());
  if (!ids.empty()) std::memcpy(entry + 1, ids.data(), ids.size_bytes());
  std::memcpy(entry + 1 + ids.size(), word.data(), word.size());
  const uint64_t filled = hash >> 32 << 32 | at;
  for (; probe < kProbes; ++probe) {  // another thread may have taken the slot meanwhile
    uint64_t empty = 0;
    if (slots_[(hash + probe) % kSlots].compare_exchange_strong(
            empty, filled, std::memory_order_release, std::memory_order_relaxed)) {
      return;
    }
  }
}

}  // namespace wde::tokenizer
