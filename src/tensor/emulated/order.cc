#include "tensor/emulated/order.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace wde::emulated {

uint64_t VectorClock::tick(size_t actor) {
  if (counts_.size() <= actor) counts_.resize(actor + 1);
  return ++counts_[actor];
}

void VectorClock::join(const VectorClock& other) {
  if (counts_.size() < other.counts_.size()) counts_.resize(other.counts_.size());
  for (size_t actor = 0; actor < other.counts_.size(); ++actor) {
    counts_[actor] = std::max(counts_[actor], other.counts_[actor]);
  }
}

// After it, no segment reaches across `at`.
void AccessHistory::split(uintptr_t at) {
  const auto after = segments_.upper_bound(at);
  if (after == segments_.begin()) return;
  const auto segment = std::prev(after);
  if (segment->first == at || segment->second.end <= at) return;
  Segment tail = segment->second;
  segment->second.end = at;
  segments_.emplace(at, std::move(tail));
}

// After it, segments cover every byte of the range.
void AccessHistory::fill_gaps(uintptr_t begin, uintptr_t end) {
  uintptr_t at = begin;
  for (auto next = segments_.lower_bound(begin); at < end; ++next) {
    const uintptr_t gap_end = next == segments_.end() ? end : std::min(next->first, end);
    if (at < gap_end) {
      next = segments_.emplace(at, Segment{.end = gap_end, .write = nullptr, .reads = {}}).first;
    }
    at = next->second.end;
  }
}

std::shared_ptr<const Access> AccessHistory::add(const AccessRange& range,
                                                 std::shared_ptr<const Access> access,
                                                 const VectorClock& now) {
  const uintptr_t end = range.begin + range.size_bytes;
  split(range.begin);
  split(end);
  fill_gaps(range.begin, end);
  std::shared_ptr<const Access> conflict;
  const auto check = [&](const std::shared_ptr<const Access>& earlier) {
    if (earlier != nullptr && !earlier->happened_before(now)) conflict = earlier;
  };
  const auto first = segments_.lower_bound(range.begin);
  const auto last = segments_.lower_bound(end);
  for (auto segment = first; segment != last; ++segment) {
    check(segment->second.write);
    auto& reads = segment->second.reads;
    if (range.written) {
      std::for_each(reads.begin(), reads.end(), check);
    } else {
      // Whatever is ordered after this read is ordered after those that happened before it.
      std::erase_if(reads, [&](const auto& earlier) { return earlier->happened_before(now); });
      reads.push_back(access);
    }
  }
  if (range.written) {
    segments_.erase(first, last);
    segments_.emplace(range.begin, Segment{.end = end, .write = std::move(access), .reads = {}});
  }
  return conflict;
}

void AccessHistory::forget(uintptr_t begin, size_t size_bytes) {
  split(begin);
  split(begin + size_bytes);
  segments_.erase(segments_.lower_bound(begin), segments_.lower_bound(begin + size_bytes));
}

}  // namespace wde::emulated
