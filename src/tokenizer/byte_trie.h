// A set of byte strings with a number each, for longest-match walks: an XOR double array, two
// dependent loads a byte. Immutable after build(); any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace wde::tokenizer {

class ByteTrie {
 public:
  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNowhere = 0xFFFFFFFF;

  ByteTrie();
  // `entries` sorted by key, keys unique, numbers not negative.
  static ByteTrie build(std::span<const std::pair<std::string_view, int32_t>> entries);

  // The node behind `node` along `byte`, or kNowhere.
  uint32_t step(uint32_t node, uint8_t byte) const {
    const uint32_t child = nodes_[node].base ^ byte;
    return nodes_[child].parent == node ? child : kNowhere;
  }
  // The node behind `node` along all of `bytes`, or kNowhere.
  uint32_t walk(uint32_t node, std::string_view bytes) const;
  // The number of the key that ends at `node`, or -1.
  int32_t number(uint32_t node) const { return nodes_[node].number; }
  std::optional<int32_t> find(std::string_view key) const;

 private:
  struct Node {
    uint32_t base = 0;
    uint32_t parent = kNowhere;
    int32_t number = -1;
  };
  class Builder;

  // Children of a node lie within the block of 256 that its base lies in, so every step stays in
  // range.
  std::vector<Node> nodes_;
};

}  // namespace wde::tokenizer
