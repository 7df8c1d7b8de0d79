#include "pipeline/scheduler.h"

#include <algorithm>
#include <cstdlib>

#include "base/status.h"

namespace wde::pipeline {

Scheduler::Scheduler(SchedulerOptions options) : options_(options) {
  WDE_CHECK(options_.budget.max_tokens > 0 && options_.budget.max_requests > 0 &&
            options_.window_requests > 0);
}

void Scheduler::add(schema::SchedulableRequest request) {
  WDE_CHECK(request.tokens() > 0);
  WDE_CHECK(is_long(request) || request.tokens() <= options_.budget.max_tokens);
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(request));
}

size_t Scheduler::size() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

// Takes the cancelled and the expired out, keeping the order of the rest.
void Scheduler::sweep(Clock::time_point now, Picked* picked) {
  const auto leaves = [&](schema::SchedulableRequest& request) {
    if (request.ticket->abandoned()) {
      picked->cancelled.push_back(std::move(request));
    } else if (request.deadline && *request.deadline <= now) {
      picked->expired.push_back(std::move(request));
    } else {
      return false;
    }
    return true;
  };
  // remove_if does not promise to look at each element once and in order; this does.
  size_t kept = 0;
  for (size_t i = 0; i < queue_.size(); ++i) {
    if (leaves(queue_[i])) continue;
    if (kept != i) queue_[kept] = std::move(queue_[i]);
    ++kept;
  }
  queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(kept), queue_.end());
}

// Of the window's requests those of the oldest one's task and adapter, nearest to it in length
// first, then oldest first.
std::vector<size_t> Scheduler::candidates(size_t oldest) const {
  const schema::SchedulableRequest& first = queue_[oldest];
  std::vector<size_t> candidates;
  int64_t seen = 0;
  for (size_t i = oldest; i < queue_.size() && seen < options_.window_requests; ++i) {
    if (is_long(queue_[i])) continue;
    ++seen;
    if (queue_[i].task == first.task && queue_[i].adapter == first.adapter) candidates.push_back(i);
  }
  std::stable_sort(candidates.begin() + 1, candidates.end(), [&](size_t a, size_t b) {
    return std::abs(queue_[a].tokens() - first.tokens()) <
           std::abs(queue_[b].tokens() - first.tokens());
  });
  return candidates;
}

void Scheduler::take(size_t index, Clock::time_point now, schema::Batch* batch) {
  schema::SchedulableRequest& request = queue_[index];
  batch->tokens += request.tokens();
  request.timestamps.scheduled = now;
  batch->requests.push_back(std::move(request));
}

Scheduler::Picked Scheduler::pick(Clock::time_point now, LongText long_text) {
  Picked picked;
  const std::lock_guard lock(mutex_);
  sweep(now, &picked);
  const auto oldest = std::find_if(queue_.begin(), queue_.end(), [&](const auto& request) {
    return long_text == LongText::kMayBePicked || !is_long(request);
  });
  if (oldest == queue_.end()) return picked;

  const auto index = static_cast<size_t>(oldest - queue_.begin());
  schema::Batch& batch = picked.batch;
  batch.long_text = is_long(*oldest);
  if (batch.long_text) {
    take(index, now, &batch);
  } else {
    for (const size_t candidate : candidates(index)) {
      if (static_cast<int64_t>(batch.requests.size()) == options_.budget.max_requests) break;
      if (batch.tokens + queue_[candidate].tokens() > options_.budget.max_tokens) continue;
      take(candidate, now, &batch);
    }
  }
  std::erase_if(queue_, [](const auto& request) { return request.ticket == nullptr; });
  return picked;
}

}  // namespace wde::pipeline
