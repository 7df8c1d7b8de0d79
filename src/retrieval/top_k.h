// The best of many hits: falling score, equal scores by rising index.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "wde/retrieval.h"

namespace wde::retrieval {

inline bool is_better(const Hit& left, const Hit& right) {
  return left.score != right.score ? left.score > right.score : left.index < right.index;
}

// Owned by one thread. The capacity is at least 1 where anything is pushed.
class TopK {
 public:
  explicit TopK(size_t capacity) : capacity_(capacity) {}

  // A score that is no number (products of huge vectors overflow) counts as the worst.
  void push(Hit hit) {
    if (std::isnan(hit.score)) hit.score = -std::numeric_limits<float>::infinity();
    if (heap_.size() < capacity_) {
      heap_.push_back(hit);
      std::push_heap(heap_.begin(), heap_.end(), is_better);
    } else if (is_better(hit, heap_.front())) {
      std::pop_heap(heap_.begin(), heap_.end(), is_better);
      heap_.back() = hit;
      std::push_heap(heap_.begin(), heap_.end(), is_better);
    }
  }

  void merge(const TopK& other) {
    for (const Hit& hit : other.heap_) push(hit);
  }

  // Best first; empties it.
  std::vector<Hit> take() {
    std::sort_heap(heap_.begin(), heap_.end(), is_better);
    return std::move(heap_);
  }

 private:
  size_t capacity_;
  std::vector<Hit> heap_;  // the worst in front
};

}  // namespace wde::retrieval
