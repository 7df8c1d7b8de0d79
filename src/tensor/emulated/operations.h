// What a stream of the emulated device can be asked to do. Checked when enqueued (a found error
// comes along in `planned_error`), carried out on the device thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/device.h"
#include "tensor/emulated/memory.h"
#include "tensor/emulated/scheduler.h"

namespace wde::emulated {

// The promises broken so far. Thread-safe.
class Violations {
 public:
  // Keeps it, and hands it back.
  Status add(Status status);
  std::vector<Status> all() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Status> all_;
};

// One recording of an event.
struct Recording {
  std::atomic<bool> reached{false};
};

struct CopyPlan {
  std::string name;  // "copy_to_device on stream 1"
  std::shared_ptr<ErrorScope> scope;
  Status planned_error;
  Memory::Backing backing;  // of the device range
  std::byte* destination = nullptr;
  const std::byte* source = nullptr;
  size_t size_bytes = 0;
  bool source_is_host = false;
  int max_steps = 1;
  Violations& violations;
};

// Takes several steps; the bytes move in a random one. Until then the destination holds garbage,
// and a host source that changes before the end is a violation.
class CopyOperation final : public Operation {
 public:
  explicit CopyOperation(CopyPlan plan);
  StepResult step(Random& random) override;

 private:
  void begin(Random& random);
  void move();
  void check_source();
  size_t source_hash() const;

  CopyPlan plan_;
  size_t enqueued_hash_ = 0;
  int steps_left_ = 0;  // 0: not begun
  int moves_at_ = 0;
};

struct LaunchPlan {
  std::shared_ptr<ErrorScope> scope;
  Status planned_error;
  std::unique_ptr<HostKernel> kernel;  // its pointers already lead to the backing bytes
  std::vector<Memory::Backing> backings;
};

class LaunchOperation final : public Operation {
 public:
  explicit LaunchOperation(LaunchPlan plan);
  StepResult step(Random& random) override;

 private:
  LaunchPlan plan_;
};

class RecordOperation final : public Operation {
 public:
  explicit RecordOperation(std::shared_ptr<Recording> recording);
  StepResult step(Random& random) override;

 private:
  std::shared_ptr<Recording> recording_;
};

class WaitOperation final : public Operation {
 public:
  explicit WaitOperation(std::shared_ptr<Recording> recording);
  bool can_run() const override;
  StepResult step(Random& random) override;

 private:
  std::shared_ptr<Recording> recording_;
};

class CallbackOperation final : public Operation {
 public:
  explicit CallbackOperation(std::function<void()> reached);
  StepResult step(Random& random) override;

 private:
  std::function<void()> reached_;
};

}  // namespace wde::emulated
