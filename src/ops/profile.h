// Where the time of forward passes goes: calls, core seconds, arithmetic and memory traffic by op.
// Meant for devices whose streams run inline (a CPU); elsewhere it would time the enqueuing.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ops/op_context.h"

namespace wde::ops {

// What one call of an op has to do, at least: its floating-point operations, and the bytes that it
// reads and writes once.
struct OpWork {
  double flops = 0;
  double bytes = 0;
};

// Thread-safe: every lane of every worker adds to one.
class Profile {
 public:
  struct Entry {
    std::string op;
    int64_t calls = 0;
    double core_seconds = 0;  // wall seconds times the threads that the op may split over
    OpWork work;
  };

  void add(const std::string& op, double core_seconds, const OpWork& work);
  // What was added since the last call, in the order in which ops first came.
  std::vector<Entry> take();

 private:
  std::mutex mutex_;
  std::vector<Entry> entries_;
};

// Times a scope as one call of an op. Does nothing where the context has no profile, or measures
// memory only.
class ProfileScope {
 public:
  // `describe` gives the op's name and work: a callable () -> std::pair<std::string, OpWork>.
  template <class Describe>
  ProfileScope(OpContext& context, const Describe& describe)
      : context_(context), on_(context.profile != nullptr && !context.measuring) {
    if (!on_) return;
    std::tie(op_, work_) = describe();
    begin_ = std::chrono::steady_clock::now();
  }
  ~ProfileScope();
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;

 private:
  OpContext& context_;
  const bool on_;
  std::string op_;
  OpWork work_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace wde::ops
