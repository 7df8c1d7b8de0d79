// Which texts of a batch begin with the same tokens, so that a causal model computes these once.
// Engine thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "schema/schema.h"

namespace wde::pipeline {

// Requests [first, first + count) of a sorted batch, the first `shared` tokens of which are the
// same; each has at least one more that counts.
struct PrefixGroup {
  size_t first = 0, count = 0;
  int shared = 0;  // a multiple of the unit; 0: nothing worth sharing
};

// Sorts the requests by their tokens and groups neighbours, whole units of tokens at a time, where
// that leaves fewer tokens to compute. Tokens of the id `passed_over` (-1: none) do not count: a
// text's answer is its last other token's, which is never among the shared ones.
std::vector<PrefixGroup> group_by_prefix(std::span<schema::SchedulableRequest> requests, int unit,
                                         int32_t passed_over = -1);

}  // namespace wde::pipeline
