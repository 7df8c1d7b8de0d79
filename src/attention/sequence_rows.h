// Where the tokens of one sequence lie in a ragged batch: one behind the other, or the first of
// them apart, where several sequences share them.
#pragma once

#include <cstdint>

namespace wde::attention {

// Queries are computed in blocks of so many: a sequence is cut between two of them only, where
// others continue it (AttentionArgs::continues) and at the ends of a range
// (AttentionArgs::queries).
inline constexpr int64_t kQueryBlock = 32;

// Where the tokens of one sequence lie in a batch: first those that it continues, then its own.
struct SequenceRows {
  int64_t shared_first = 0, shared = 0;  // the former
  int64_t first = 0;                     // of the latter
  int64_t tokens = 0;                    // both
  int64_t keys = 0;                      // leading tokens that are keys

  int64_t row(int64_t token) const {
    return token < shared ? shared_first + token : first + token - shared;
  }
};

}  // namespace wde::attention
