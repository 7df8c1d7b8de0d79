// The queue between the request threads and the engine thread: first come, first served, in batches
// that keep a token and a request budget. No KV cache, so no preemption: what is picked runs to its
// end. A long text is a batch of its own, in which others are let through.
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
  int64_t long_text_tokens = INT64_MAX;  // longer texts are long
};

// Thread-safe.
class Scheduler {
 public:
  explicit Scheduler(SchedulerOptions options);

  // Every request that is no long text must fit the budget alone.
  void add(schema::SchedulableRequest request);

  // A batch, and what left the queue without one (cancelled, or of a text that has failed, or past
  // its deadline at `now`), for the caller to answer. An empty batch means that the queue is empty,
  // or holds long texts alone and these must wait. They are picked in the order in which they came.
  struct Picked {
    schema::Batch batch;
    std::vector<schema::SchedulableRequest> cancelled;
    std::vector<schema::SchedulableRequest> expired;
  };
  enum class LongText { kMayBePicked, kMustWait };
  Picked pick(Clock::time_point now, LongText long_text = LongText::kMayBePicked);

  size_t size() const;

 private:
  void sweep(Clock::time_point now, Picked* picked);
  bool is_long(const schema::SchedulableRequest& request) const {
    return request.tokens() > options_.long_text_tokens;
  }
  // The queue's places, in order, of the requests that may share a batch with the one at `oldest`.
  std::vector<size_t> candidates(size_t oldest) const;
  // Takes the request at a place of the queue, which stays there empty, into the batch.
  void take(size_t index, Clock::time_point now, schema::Batch* batch);

  const SchedulerOptions options_;
  mutable std::mutex mutex_;
  std::deque<schema::SchedulableRequest> queue_;
};

}  // namespace wde::pipeline
