#include "entrypoints/cli/ordered_answers.h"

#include <utility>

namespace wde::cli {

std::optional<uint64_t> OrderedAnswers::reserve(uint64_t line, size_t bytes) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return cancelled_ || has_room(bytes); });
  if (cancelled_) return std::nullopt;
  places_.push_back({line, bytes, std::nullopt});
  bytes_ += bytes;
  return first_ticket_ + places_.size() - 1;
}

bool OrderedAnswers::has_room(size_t bytes) const {
  if (places_.empty()) return true;
  return places_.size() < limits_.questions && bytes_ + bytes <= limits_.bytes;
}

void OrderedAnswers::answer(uint64_t ticket, Result<Response> response) {
  const std::lock_guard lock(mutex_);
  places_[ticket - first_ticket_].response = std::move(response);
  if (ticket == first_ticket_) changed_.notify_all();
}

void OrderedAnswers::finish() {
  const std::lock_guard lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

void OrderedAnswers::cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  changed_.notify_all();
}

std::optional<OrderedAnswers::Answer> OrderedAnswers::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return front_is_ready(); });
  if (places_.empty()) return std::nullopt;
  Place& place = places_.front();
  Answer answer{place.line, place.bytes, std::move(*place.response)};
  places_.pop_front();
  ++first_ticket_;
  bytes_ -= answer.bytes;
  changed_.notify_all();
  return answer;
}

bool OrderedAnswers::ready() const {
  const std::lock_guard lock(mutex_);
  return front_is_ready() && !places_.empty();
}

}  // namespace wde::cli
