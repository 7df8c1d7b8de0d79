// Answers that come in any order, from any thread, handed out in the order of the questions, with a
// bound on how many and how large the questions under way may be. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "base/status.h"
#include "wde/types.h"

namespace wde::cli {

class OrderedAnswers {
 public:
  struct Limits {
    size_t questions = 1024;
    size_t bytes = size_t{64} << 20;  // of their texts; a single larger one is let through alone
  };
  struct Answer {
    uint64_t line = 0;
    size_t bytes = 0;
    Result<Response> response;
  };

  explicit OrderedAnswers(Limits limits) : limits_(limits) {}

  // Waits for room and takes the next place; nullopt after cancel(). The ticket is for answer().
  std::optional<uint64_t> reserve(uint64_t line, size_t bytes);
  // Once for each ticket.
  void answer(uint64_t ticket, Result<Response> response);
  // No more questions: next() returns nullopt after the last answer.
  void finish();
  // Nobody will ask for answers any more: reserve() returns nullopt from now on.
  void cancel();

  // The next answer in order; blocks until it is there. nullopt at the end.
  std::optional<Answer> next();
  const Limits& limits() const { return limits_; }
  // Would next() return at once.
  bool ready() const;

 private:
  struct Place {
    uint64_t line;
    size_t bytes;
    std::optional<Result<Response>> response;
  };
  bool has_room(size_t bytes) const;
  bool front_is_ready() const {
    return places_.empty() ? finished_ : places_.front().response.has_value();
  }

  const Limits limits_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Place> places_;
  uint64_t first_ticket_ = 0;  // of places_.front()
  size_t bytes_ = 0;
  bool finished_ = false;
  bool cancelled_ = false;
};

}  // namespace wde::cli
