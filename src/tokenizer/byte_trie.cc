#include "tokenizer/byte_trie.h"

#include <deque>

namespace wde::tokenizer {

namespace {
constexpr uint32_t kBlock = 256;
}

// Places nodes breadth first. Each set of siblings goes into the first of a few unfilled blocks
// where it fits, else into a new one: near enough to dense, and linear in the number of nodes.
class ByteTrie::Builder {
 public:
  using Entries = std::span<const std::pair<std::string_view, int32_t>>;

  Builder(Entries entries, std::vector<Node>& nodes) : entries_(entries), nodes_(nodes) {}

  void build() {
    add_block();
    take(kRoot);
    std::deque<Task> tasks = {{kRoot, 0, entries_.size(), 0}};
    for (; !tasks.empty(); tasks.pop_front()) place_children(tasks.front(), tasks);
  }

 private:
  struct Task {  // the keys [first, last) share their first `depth` bytes, which lead to `node`
    uint32_t node;
    size_t first;
    size_t last;
    size_t depth;
  };
  struct OpenBlock {
    uint32_t begin;
    uint32_t free = kBlock;
    uint32_t failures = 0;
  };
  static constexpr uint32_t kMaxFailures = 64;
  static constexpr size_t kMaxOpen = 8;

  void place_children(Task task, std::deque<Task>& tasks) {
    if (task.first < task.last && entries_[task.first].first.size() == task.depth) {
      nodes_[task.node].number = entries_[task.first].second;
      ++task.first;
    }
    std::vector<uint8_t> labels;
    std::vector<size_t> bounds;
    for (size_t i = task.first; i < task.last; ++i) {
      const auto label = static_cast<uint8_t>(entries_[i].first[task.depth]);
      if (labels.empty() || labels.back() != label) labels.push_back(label), bounds.push_back(i);
    }
    bounds.push_back(task.last);
    if (labels.empty()) return;
    const uint32_t base = find_base(labels);
    nodes_[task.node].base = base;
    for (size_t i = 0; i < labels.size(); ++i) {
      const uint32_t child = base ^ labels[i];
      nodes_[child].parent = task.node;
      take(child);
      tasks.push_back({child, bounds[i], bounds[i + 1], task.depth + 1});
    }
  }

  uint32_t find_base(const std::vector<uint8_t>& labels) {
    for (size_t i = 0; i < open_.size();) {
      OpenBlock& block = open_[i];
      for (uint32_t slot = block.begin; block.free >= labels.size() && slot < block.begin + kBlock;
           ++slot) {
        if (!taken_[slot] && fits(slot ^ labels[0], labels)) return slot ^ labels[0];
      }
      if (block.free == 0 || ++block.failures > kMaxFailures)
        open_.erase(open_.begin() + static_cast<ptrdiff_t>(i));
      else
        ++i;
    }
    if (open_.size() >= kMaxOpen) open_.erase(open_.begin());
    return add_block() ^ labels[0];
  }

  bool fits(uint32_t base, const std::vector<uint8_t>& labels) const {
    for (const uint8_t label : labels) {
      if (taken_[base ^ label]) return false;
    }
    return true;
  }

  uint32_t add_block() {
    const auto begin = static_cast<uint32_t>(nodes_.size());
    nodes_.resize(nodes_.size() + kBlock);
    taken_.resize(nodes_.size());
    open_.push_back({begin});
    return begin;
  }

  void take(uint32_t slot) {
    taken_[slot] = true;
    for (OpenBlock& block : open_) {
      if (block.begin == (slot & ~(kBlock - 1))) --block.free;
    }
  }

  Entries entries_;
  std::vector<Node>& nodes_;
  std::vector<bool> taken_;
  std::vector<OpenBlock> open_;
};

ByteTrie::ByteTrie() : nodes_(kBlock) {}

ByteTrie ByteTrie::build(std::span<const std::pair<std::string_view, int32_t>> entries) {
  ByteTrie trie;
  trie.nodes_.clear();
  Builder(entries, trie.nodes_).build();
  trie.nodes_.shrink_to_fit();
  return trie;
}

uint32_t ByteTrie::walk(uint32_t node, std::string_view bytes) const {
  for (const char byte : bytes) {
    node = step(node, static_cast<uint8_t>(byte));
    if (node == kNowhere) break;
  }
  return node;
}

std::optional<int32_t> ByteTrie::find(std::string_view key) const {
  const uint32_t node = walk(kRoot, key);
  if (node == kNowhere || number(node) < 0) return std::nullopt;
  return number(node);
}

}  // namespace wde::tokenizer
