// The device seam: memory, streams and events. Everything above tensor/, ops/ and attention/ talks
// to a device only through these classes and never learns which one it is. Implementations:
// cpu_device (streams run inline), emulated_device (own address space, late and reordering streams;
// for tests); CUDA will be a third.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tensor/tensor.h"

namespace wde {

class Device;

// Owned memory on a device; freed on destruction, which must come after all work on it is done.
class Storage {
 public:
  Storage() = default;
  Storage(std::shared_ptr<Device> device, void* data, size_t size_bytes, bool host_visible);
  Storage(Storage&& other) noexcept;
  Storage& operator=(Storage&& other) noexcept;
  ~Storage();

  void* data() const { return data_; }
  size_t size_bytes() const { return size_bytes_; }

 private:
  std::shared_ptr<Device> device_;
  void* data_ = nullptr;
  size_t size_bytes_ = 0;
  bool host_visible_ = false;
};

// The fate of one batch's work, whichever streams it runs on. The first failing copy or launch
// under a scope is kept, and the scope's remaining copies and launches are skipped; other scopes go
// on. Shared by the host threads and the device. Thread-safe.
class ErrorScope {
 public:
  void fail(Status status);
  Status status() const;  // ok, or the first failure
  bool failed() const { return failed_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  Status first_;
};

// A point in a stream's work that other streams can wait for. Recording again moves the point.
class Event {
 public:
  virtual ~Event() = default;
};

// One pointer that a kernel reads or writes, as a range of its device's address space. The device
// checks it and may replace *pointer by an address that the kernel can dereference while it runs.
struct DeviceRange {
  void** pointer;
  size_t size_bytes;
  bool written;
};

// A kernel made of host code, with its arguments (held by value). Only devices that run host code
// (cpu, emulated) take one.
class HostKernel {
 public:
  virtual ~HostKernel() = default;
  virtual std::string_view name() const = 0;
  // The pointers inside the kernel's own copy of its arguments. Called at most once, before run().
  virtual std::vector<DeviceRange> ranges() = 0;
  virtual void run() = 0;
};

// A queue of work that a device does in order. Between two streams there is no order but what
// events say. One host thread enqueues at a time. Enqueueing does not wait for the work (the CPU
// device runs it inline instead) and reports nothing: a failure lands in the error scope that was
// current when the work was enqueued.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual Device& device() = 0;

  // Work enqueued from now on belongs to `scope`. Initially a scope of the stream's own.
  virtual void set_error_scope(std::shared_ptr<ErrorScope> scope) = 0;

  // `host` memory must come from Device::allocate_host for the copy to be asynchronous in fact, and
  // must stay alive and (copy_to_device) unchanged until the copy is done.
  virtual void copy_to_device(void* device_data, const void* host, size_t size_bytes) = 0;
  virtual void copy_to_host(void* host, const void* device_data, size_t size_bytes) = 0;

  virtual void launch(std::unique_ptr<HostKernel> kernel) = 0;

  // Events are reached whether or not the work before them failed.
  virtual void record(Event& event) = 0;
  // Work enqueued after this waits, on the device, for the event's latest recording.
  virtual void wait(Event& event) = 0;
  // Calls `reached` once all earlier work of this stream is done or skipped, on a thread of the
  // device's choosing (the caller's, where work runs inline). `reached` must not block nor use the
  // device.
  virtual void call_when_reached(std::function<void()> reached) = 0;
  // Blocks until everything enqueued so far is done; returns the current scope's status.
  virtual Status synchronize() = 0;
};

struct MemoryInfo {
  size_t total_bytes = 0;
  size_t free_bytes = 0;
};

// Thread-safe. Created by the registry in tensor/device_registry.h; shared by everything on it.
class Device : public std::enable_shared_from_this<Device> {
 public:
  virtual ~Device() = default;
  // "cpu", "emulated", "cuda:0".
  virtual std::string name() const = 0;
  // "cpu", "emulated", "cuda": what op and attention registries match on.
  virtual std::string_view kind() const = 0;
  virtual MemoryInfo memory() const = 0;
  // True where host code may dereference this device's addresses, so that weights can be used where
  // they are mapped and inputs need no copy.
  virtual bool host_addressable() const = 0;
  // Device memory, 64-byte aligned, uninitialised. Errors: kResourceExhausted with the numbers.
  virtual Result<Storage> allocate(size_t size_bytes) = 0;
  // Host memory that copies reach fastest (pinned for CUDA), 64-byte aligned, zeroed.
  virtual Result<Storage> allocate_host(size_t size_bytes) = 0;
  virtual std::unique_ptr<Stream> create_stream() = 0;
  virtual std::unique_ptr<Event> create_event() = 0;

 protected:
  friend class Storage;
  virtual void release(void* data, size_t size_bytes, bool host_visible) = 0;
};

}  // namespace wde
