// Which texts of a batch begin with the same tokens, so that a causal model computes these once.
// Engine thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "schema/schema.h"

namespace wde::pipeline {

// Requests [first, first + count) of a sorted batch, the first `shared` tokens of which are the
// same; each has at least one more.
struct PrefixGroup {
  size_t first = 0, count = 0;
  int shared = 0;  // a multiple of the unit; 0: nothing worth sharing
};

// Sorts the requests by their tokens and groups neighbours, whole units of tokens at a time, where
// that leaves fewer tokens to compute.
std::vector<PrefixGroup> group_by_prefix(std::span<schema::SchedulableRequest> requests, int unit);

}  // namespace wde::pipeline
