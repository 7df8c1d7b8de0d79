// What the emulated device's objects share: memory, clocks, faults, the scheduler. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/emulated/memory.h"
#include "tensor/emulated/operations.h"
#include "tensor/emulated/order.h"
#include "tensor/emulated/scheduler.h"
#include "tensor/emulated_device.h"

namespace wde::emulated {

struct DeviceSpan {
  std::string_view what;  // "destination", "source", "argument 2"
  const void* address;
  size_t size_bytes;
  bool written;
};

struct HostSpan {
  std::string_view what;
  const void* address;
  size_t size_bytes;
  bool written;
};

// An operation as it is enqueued: who does what under which scope.
struct OperationLabel {
  size_t actor;
  std::string_view kernel;  // or "copy_to_device", "copy_to_host"
  std::string name;         // with the stream, for messages
  std::shared_ptr<ErrorScope> scope;
};

class Core {
 public:
  Core(EmulatedOptions options, std::unique_ptr<Memory> memory);

  Result<void*> allocate(size_t size_bytes, bool host_visible);
  void release(void* address, size_t size_bytes, bool host_visible);
  MemoryInfo memory_info() const;
  EmulatedStats stats() const;
  void set_faults(EmulatedFaults faults);

  size_t add_actor();
  // Checks a copy against memory, order and faults. The answer's error, if any, is for the scope.
  struct Checked {
    Status error;
    std::vector<Memory::Backing> backings;  // of the device spans, when there is no error
  };
  Checked check_copy(const OperationLabel& label, const DeviceSpan& device, const HostSpan& host);
  Checked check_launch(const OperationLabel& label, const std::vector<DeviceSpan>& spans);

  // What has happened before an actor's next operation.
  VectorClock clock_of(size_t actor);
  // The stream learns what the recording stream knew then.
  void join_stream(size_t actor, const VectorClock& clock);
  // The host has seen that everything in `clock` is done.
  void join_host(const VectorClock& clock);
  // Counts a wait for an event; false when it is the one to drop.
  bool admit_wait();

  Scheduler& scheduler() { return scheduler_; }
  Violations& violations() { return violations_; }
  const Violations& violations() const { return violations_; }
  int max_copy_steps() const { return max_copy_steps_; }

 private:
  Status check_order(const OperationLabel& label, const std::vector<AccessRange>& ranges);
  Status race(std::string_view later, const Access& earlier, const AccessRange& range);

  const int max_copy_steps_;
  Violations violations_;
  mutable std::mutex mutex_;  // guards what follows, up to the scheduler
  std::unique_ptr<Memory> memory_;
  AccessHistory history_;
  std::vector<VectorClock> clocks_;  // by actor
  EmulatedStats stats_;
  EmulatedFaults faults_;  // nth and drop_wait count down; 0 is spent
  Scheduler scheduler_;    // last: its thread ends before the rest goes
};

}  // namespace wde::emulated
