// A device for tests that keeps the device seam honest where no GPU is at hand. It runs host
// kernels (the reference ops), but
//  - its addresses lie in a reservation without access: host code that dereferences one faults, and
//  a
//    host pointer, a freed address or a range that leaves its allocation is refused where a device
//    address belongs, and the other way round;
//  - its streams run late, on a thread of the device's own, in any order that events allow; copies
//  take several
//    steps and read their source in any of them;
//  - two operations that touch the same bytes, one of them writing, must be ordered by an event, by
//    their stream or through the host; if they are not, that is found from the order of enqueueing
//    alone (vector clocks, as in FastTrack, Flanagan and Freund 2009), whatever the schedule. All
//    host threads count as one, which knows that work is done once synchronize() returned or
//    call_when_reached() called back;
//  - its memory runs out, and copies and launches fail, where a test says so.
// Everything that breaks a promise fails the error scope of the operation and is kept in
// violations(). Thread-safe. It must not know what runs on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tensor/device.h"

namespace wde {

// The nth (from 1) operation whose name is `name`, or of any name when that is empty.
struct EmulatedFault {
  size_t nth = 1;
  std::string name;  // "copy_to_device", "copy_to_host", or the kernel's name
};

struct EmulatedFaults {
  std::optional<EmulatedFault> copy;    // fails with kDeviceError
  std::optional<EmulatedFault> launch;  // fails with kDeviceError
  size_t drop_wait = 0;  // the nth (from 1) wait for an event orders nothing; 0: none
};

struct EmulatedOptions {
  uint64_t seed = 0;                      // of the schedule
  size_t memory_bytes = size_t{1} << 30;  // device memory; host memory is not limited
  int max_copy_steps = 4;                 // a copy takes 1 to so many turns of its stream
  EmulatedFaults faults;
};

struct EmulatedStats {
  size_t copies = 0;  // enqueued, as are launches and waits
  size_t launches = 0;
  size_t waits = 0;
  size_t device_bytes = 0;  // allocated and not yet released
  size_t host_bytes = 0;    // the same, of allocate_host
};

class EmulatedDevice : public Device {
 public:
  virtual EmulatedStats stats() const = 0;
  // Every promise broken so far (races, wrong pointers, host buffers changed too early), in the
  // order found; injected faults are not among them.
  virtual std::vector<Status> violations() const = 0;
  // Replaces the faults; their counting starts anew.
  virtual void set_faults(EmulatedFaults faults) = 0;
};

// Errors: kResourceExhausted when the address space can't be reserved.
Result<std::shared_ptr<EmulatedDevice>> create_emulated_device(EmulatedOptions options = {});

}  // namespace wde
