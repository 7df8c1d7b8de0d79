// An over-long text whose parts are computed as texts of their own and answered by the mean of
// their vectors (OverLong::kAverage). Shared by the SchedulableRequests of the parts. Made by a
// request thread; from the scheduler's queue on it is the engine thread's alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "wde/types.h"

namespace wde::schema {

class Averaging {
 public:
  // The parts' weights, in the text's order: above 0, at least one.
  explicit Averaging(std::vector<int64_t> weights);

  size_t parts() const { return weights_.size(); }

  // One more part is no longer waiting for a batch. Returns true for the last one.
  bool leave_queue() { return --queued_ == 0; }

  // What was computed of a part, each once; `row` is copied. Returns true when none is missing any
  // more.
  bool add(size_t part, std::span<const float> row, int tokens, const Timestamps& timestamps);

  // Once every part was added:
  // The weighted mean of the rows. Summed in the text's order, so that its bits do not depend on
  // which part was computed first.
  std::vector<float> mean() const;
  int tokens() const { return tokens_; }  // of all parts
  // From the first part's batch to the last one's.
  const Timestamps& timestamps() const { return timestamps_; }

 private:
  std::vector<int64_t> weights_;
  std::vector<std::vector<float>> rows_;
  size_t queued_;
  size_t missing_;
  int tokens_ = 0;
  Timestamps timestamps_;
};

}  // namespace wde::schema
