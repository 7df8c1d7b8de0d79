// The queue between the request threads and the engine thread: first come, first served, in batches
// that keep a token and a request budget. No KV cache, so no preemption: what is picked runs to its
// end.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "pipeline/limits.h"
#include "schema/schema.h"

namespace wde::pipeline {

struct SchedulerOptions {
  BatchBudget budget;
  // A batch is picked among the oldest so many requests: those nearest in length to the oldest one,
  // which is always taken. So texts of like length meet, and a request waits for at most as many
  // batches as there were requests before it.
  int64_t window_requests = 0;
};

// Thread-safe.
class Scheduler {
 public:
  explicit Scheduler(SchedulerOptions options);

  // Every request must fit the budget alone.
  void add(schema::SchedulableRequest request);

  // A batch, and what left the queue without one (cancelled, or of a text that has failed, or past
  // its deadline at `now`), for the caller to answer. An empty batch means that the queue is empty.
  struct Picked {
    schema::Batch batch;
    std::vector<schema::SchedulableRequest> cancelled;
    std::vector<schema::SchedulableRequest> expired;
  };
  Picked pick(Clock::time_point now);

  size_t size() const;

 private:
  void sweep(Clock::time_point now, Picked* picked);

  const SchedulerOptions options_;
  mutable std::mutex mutex_;
  std::deque<schema::SchedulableRequest> queue_;
};

}  // namespace wde::pipeline
