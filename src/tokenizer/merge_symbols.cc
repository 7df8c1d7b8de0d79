#include "tokenizer/merge_symbols.h"

#include <algorithm>
#include <queue>
#include <vector>

namespace wde::tokenizer {
namespace {

// A short word's pairs are few: finding the least rank by looking at all costs less than keeping
// them in order.
size_t merge_by_scanning(const MergeTable& merges, std::span<Symbol> symbols) {
  Merge pairs[kMaxScannedSymbols];  // of each symbol with the next
  size_t count = symbols.size();
  uint32_t least = Merge::kNone;
  for (size_t i = 0; i + 1 < count; ++i) {
    pairs[i] = merges.find(symbols[i].id, symbols[i + 1].id);
    least = std::min(least, pairs[i].rank);
  }
  while (least != Merge::kNone) {
    size_t at = 0;
    while (pairs[at].rank != least) ++at;
    symbols[at] = {pairs[at].id, symbols[at].length + symbols[at + 1].length};
    --count;
    std::copy(symbols.begin() + static_cast<ptrdiff_t>(at) + 2,
              symbols.begin() + static_cast<ptrdiff_t>(count) + 1,
              symbols.begin() + static_cast<ptrdiff_t>(at) + 1);
    std::copy(pairs + at + 1, pairs + count, pairs + at);
    if (at + 1 < count) pairs[at] = merges.find(symbols[at].id, symbols[at + 1].id);
    if (at > 0) pairs[at - 1] = merges.find(symbols[at - 1].id, symbols[at].id);
    least = Merge::kNone;
    for (size_t i = 0; i + 1 < count; ++i) least = std::min(least, pairs[i].rank);
  }
  return count;
}

// The same with a queue, so that a long word costs n log n: neighbours are linked, and a queued
// pair that is no longer there is passed over.
class QueuedMerge {
 public:
  QueuedMerge(const MergeTable& merges, std::span<Symbol> symbols)
      : merges_(merges), symbols_(symbols), links_(symbols.size()) {
    for (size_t i = 0; i < links_.size(); ++i)
      links_[i] = {static_cast<uint32_t>(i) - 1, static_cast<uint32_t>(i) + 1};
    links_.back().next = kEnd;
    for (uint32_t i = 0; i + 1 < symbols.size(); ++i) push(i);
  }

  size_t run() {
    while (!queue_.empty()) {
      const Candidate top = queue_.top();
      queue_.pop();
      const uint32_t right = links_[top.at].next;
      if (symbols_[top.at].length == 0 || right == kEnd) continue;
      if (merges_.find(symbols_[top.at].id, symbols_[right].id).id != top.merged) continue;
      symbols_[top.at] = {top.merged, symbols_[top.at].length + symbols_[right].length};
      symbols_[right].length = 0;
      links_[top.at].next = links_[right].next;
      if (links_[right].next != kEnd) links_[links_[right].next].previous = top.at;
      if (links_[top.at].previous != kEnd) push(links_[top.at].previous);
      push(top.at);
    }
    const auto left = std::remove_if(symbols_.begin(), symbols_.end(),
                                     [](const Symbol& symbol) { return symbol.length == 0; });
    return static_cast<size_t>(left - symbols_.begin());
  }

 private:
  static constexpr uint32_t kEnd = 0xFFFFFFFF;  // also what 0 - 1 comes to
  struct Links {
    uint32_t previous = kEnd;
    uint32_t next = kEnd;
  };
  struct Candidate {
    uint32_t rank;
    uint32_t at;
    int32_t merged;
    bool operator<(const Candidate& other) const {  // the queue's top is its largest
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };

  void push(uint32_t at) {
    const uint32_t right = links_[at].next;
    if (right == kEnd) return;
    const Merge merge = merges_.find(symbols_[at].id, symbols_[right].id);
    if (merge.rank != Merge::kNone) queue_.push({merge.rank, at, merge.id});
  }

  const MergeTable& merges_;
  std::span<Symbol> symbols_;
  std::vector<Links> links_;
  std::priority_queue<Candidate> queue_;
};

}  // namespace

size_t merge_symbols(const MergeTable& merges, std::span<Symbol> symbols) {
  if (symbols.size() < 2) return symbols.size();
  if (symbols.size() <= kMaxScannedSymbols) return merge_by_scanning(merges, symbols);
  return QueuedMerge(merges, symbols).run();
}

}  // namespace wde::tokenizer
