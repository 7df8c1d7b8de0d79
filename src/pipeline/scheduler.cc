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
  WDE_CHECK(request.tokens() > 0 && request.tokens() <= options_.budget.max_tokens);
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

Scheduler::Picked Scheduler::pick(Clock::time_point now) {
  Picked picked;
  const std::lock_guard lock(mutex_);
  sweep(now, &picked);
  if (queue_.empty()) return picked;

  // The window's requests of the oldest one's task and adapter, nearest to it in length first, then
  // oldest first.
  const Task task = queue_.front().task;
  const int adapter = queue_.front().adapter;
  const int length = queue_.front().tokens();
  const size_t window = std::min(queue_.size(), static_cast<size_t>(options_.window_requests));
  std::vector<size_t> candidates;
  for (size_t i = 0; i < window; ++i) {
    if (queue_[i].task == task && queue_[i].adapter == adapter) candidates.push_back(i);
  }
  std::stable_sort(candidates.begin() + 1, candidates.end(), [&](size_t a, size_t b) {
    return std::abs(queue_[a].tokens() - length) < std::abs(queue_[b].tokens() - length);
  });

  std::vector<bool> taken(window, false);
  for (const size_t index : candidates) {
    if (static_cast<int64_t>(picked.batch.requests.size()) == options_.budget.max_requests) break;
    schema::SchedulableRequest& request = queue_[index];
    if (picked.batch.tokens + request.tokens() > options_.budget.max_tokens) continue;
    picked.batch.tokens += request.tokens();
    request.timestamps.scheduled = now;
    picked.batch.requests.push_back(std::move(request));
    taken[index] = true;
  }
  size_t kept = 0;
  for (size_t i = 0; i < queue_.size(); ++i) {
    if (i < window && taken[i]) continue;
    if (kept != i) queue_[kept] = std::move(queue_[i]);
    ++kept;
  }
  queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(kept), queue_.end());
  return picked;
}

}  // namespace wde::pipeline
