#include "tokenizer/byte_trie.h"

#include <bit>
#include <deque>

namespace wde::tokenizer {

namespace {

constexpr uint32_t kBlock = 256;

// 256 bits, one a slot of a block.
class SlotSet {
 public:
  static constexpr SlotSet all() {
    SlotSet set;
    for (uint64_t& word : set.words_) word = ~uint64_t{0};
    return set;
  }

  void remove(uint32_t slot) { words_[slot / 64] &= ~(uint64_t{1} << (slot % 64)); }
  void keep_only(const SlotSet& other) {
    for (size_t i = 0; i < kWords; ++i) words_[i] &= other.words_[i];
  }
  // The set {slot ^ label}: whole words change places by the label's upper bits, runs of 1, 2, 4 …
  // 32 bits within them by the lower ones.
  SlotSet moved_by(uint8_t label) const {
    constexpr uint64_t kRuns[] = {0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F,
                                  0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF, 0x00000000FFFFFFFF};
    SlotSet moved;
    for (size_t i = 0; i < kWords; ++i) {
      uint64_t word = words_[i ^ (label / 64u)];
      for (uint32_t bit = 0; bit < 6; ++bit) {
        const uint32_t shift = 1u << bit;
        if ((label & shift) != 0)
          word = (word & kRuns[bit]) << shift | (word >> shift & kRuns[bit]);
      }
      moved.words_[i] = word;
    }
    return moved;
  }
  // The lowest slot, or -1.
  int first() const {
    for (size_t i = 0; i < kWords; ++i) {
      if (words_[i] != 0) return static_cast<int>(i * 64) + std::countr_zero(words_[i]);
    }
    return -1;
  }

 private:
  static constexpr size_t kWords = kBlock / 64;
  uint64_t words_[kWords] = {};
};

}  // namespace

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
    SlotSet free = SlotSet::all();
    uint32_t failures = 0;
  };
  static constexpr uint32_t kMaxFailures = 64;
  static constexpr size_t kMaxOpen = 8;

  void place_children(Task task, std::deque<Task>& tasks) {
    if (task.first < task.last && entries_[task.first].first.size() == task.depth) {
      nodes_[task.node].number = entries_[task.first].second;
      ++task.first;
    }
    labels_.clear();
    bounds_.clear();
    for (size_t i = task.first; i < task.last; ++i) {
      const auto label = static_cast<uint8_t>(entries_[i].first[task.depth]);
      if (labels_.empty() || labels_.back() != label) {
        labels_.push_back(label);
        bounds_.push_back(i);
      }
    }
    bounds_.push_back(task.last);
    if (labels_.empty()) return;
    const uint32_t base = find_base();
    nodes_[task.node].base = base;
    for (size_t i = 0; i < labels_.size(); ++i) {
      const uint32_t child = base ^ labels_[i];
      nodes_[child].parent = task.node;
      take(child);
      tasks.push_back({child, bounds_[i], bounds_[i + 1], task.depth + 1});
    }
  }

  uint32_t find_base() {
    for (size_t i = 0; i < open_.size();) {
      if (const int base = fit(open_[i].free); base >= 0)
        return open_[i].begin + static_cast<uint32_t>(base);
      if (open_[i].free.first() < 0 || ++open_[i].failures > kMaxFailures)
        open_.erase(open_.begin() + static_cast<ptrdiff_t>(i));
      else
        ++i;
    }
    if (open_.size() >= kMaxOpen) open_.erase(open_.begin());
    return add_block();
  }

  // A base whose slots for all labels are free, or -1.
  int fit(const SlotSet& free) const {
    if (labels_.size() == 1)
      return free.first() < 0 ? -1 : free.first() ^ labels_[0];  // most nodes
    SlotSet bases = free.moved_by(labels_[0]);
    for (size_t i = 1; i < labels_.size() && bases.first() >= 0; ++i)
      bases.keep_only(free.moved_by(labels_[i]));
    return bases.first();
  }

  uint32_t add_block() {
    const auto begin = static_cast<uint32_t>(nodes_.size());
    nodes_.resize(nodes_.size() + kBlock);
    open_.push_back({begin});
    return begin;
  }

  void take(uint32_t slot) {
    for (OpenBlock& block : open_) {
      if (block.begin == (slot & ~(kBlock - 1))) block.free.remove(slot % kBlock);
    }
  }

  Entries entries_;
  std::vector<Node>& nodes_;
  std::vector<OpenBlock> open_;
  std::vector<uint8_t> labels_;  // of the node being placed, rising
  std::vector<size_t> bounds_;   // where each label's keys begin, and where the last one's end
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
