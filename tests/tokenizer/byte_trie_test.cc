#include "tokenizer/byte_trie.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace wde::tokenizer {
namespace {

using Keys = std::map<std::string, int32_t>;

ByteTrie build(const Keys& keys) {
  const std::vector<std::pair<std::string_view, int32_t>> entries(keys.begin(), keys.end());
  return ByteTrie::build(entries);
}

// Keys of up to `max_length` bytes below `bytes`; few bytes make nodes of many children.
Keys random_keys(uint32_t seed, size_t count, size_t max_length, int bytes) {
  std::mt19937 random(seed);
  Keys keys;
  while (keys.size() < count) {
    std::string key(1 + random() % max_length, '\0');
    for (char& byte : key) byte = static_cast<char>(random() % static_cast<uint32_t>(bytes));
    keys.emplace(key, static_cast<int32_t>(keys.size()));
  }
  return keys;
}

void expect_holds_just(const ByteTrie& trie, const Keys& keys, const Keys& others) {
  for (const auto& [key, number] : keys) ASSERT_EQ(trie.find(key), number);
  for (const auto& [key, number] : others) {
    const auto at = keys.find(key);
    ASSERT_EQ(trie.find(key), at == keys.end() ? std::nullopt : std::optional(at->second));
  }
}

TEST(ByteTrie, HoldsJustItsKeys) {
  for (const int bytes : {2, 3, 30, 256}) {
    SCOPED_TRACE(bytes);
    const Keys keys = random_keys(1, 3000, 12, bytes);
    expect_holds_just(build(keys), keys, random_keys(2, 3000, 12, bytes));
  }
}

TEST(ByteTrie, NodesOfAllChildren) {
  Keys keys;
  for (int first = 0; first < 256; ++first) {
    for (int second = first % 2; second < 256; second += 1 + first % 3)
      keys[{static_cast<char>(first), static_cast<char>(second)}] = 256 * first + second;
  }
  expect_holds_just(build(keys), keys, random_keys(3, 5000, 3, 256));
}

TEST(ByteTrie, NothingAndTheEmptyKey) {
  EXPECT_EQ(build({}).find(""), std::nullopt);
  EXPECT_EQ(build({}).find("a"), std::nullopt);
  EXPECT_EQ(ByteTrie().find("a"), std::nullopt);
  EXPECT_EQ(build({{"", 7}}).find(""), 7);
}

TEST(ByteTrie, WalksFromWhereItStands) {
  const ByteTrie trie = build({{"##a", 1}, {"##ab", 2}, {"a", 3}});
  const uint32_t inside = trie.walk(ByteTrie::kRoot, "##");
  ASSERT_NE(inside, ByteTrie::kNowhere);
  EXPECT_EQ(trie.number(inside), -1);
  EXPECT_EQ(trie.number(trie.walk(inside, "ab")), 2);
  EXPECT_EQ(trie.walk(inside, "b"), ByteTrie::kNowhere);
}

}  // namespace
}  // namespace wde::tokenizer
