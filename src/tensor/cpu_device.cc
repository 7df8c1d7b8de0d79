#include "tensor/cpu_device.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/thread_pool.h"

namespace wde {
namespace {

constexpr size_t kAlignmentBytes = 64;
constexpr size_t kHugePageBytes = size_t{2} << 20;
constexpr size_t kPageBytes = 65536;  // the largest that a kernel has for any architecture here

class CpuEvent final : public Event {};

class CpuStream final : public Stream {
 public:
  explicit CpuStream(std::shared_ptr<Device> device) : device_(std::move(device)) {}

  Device& device() override { return *device_; }
  void set_error_scope(std::shared_ptr<ErrorScope> scope) override { scope_ = std::move(scope); }

  void copy_to_device(void* device_data, const void* host, size_t size_bytes) override {
    copy(device_data, host, size_bytes);
  }
  void copy_to_host(void* host, const void* device_data, size_t size_bytes) override {
    copy(host, device_data, size_bytes);
  }
  void launch(std::unique_ptr<HostKernel> kernel) override {
    if (!scope_->failed()) kernel->run();
  }

  // Work is done as soon as it is enqueued, so every recording has already been reached.
  void record(Event&) override {}
  void wait(Event&) override {}
  void call_when_reached(std::function<void()> reached) override { reached(); }
  Status synchronize() override { return scope_->status(); }

 private:
  void copy(void* destination, const void* source, size_t size_bytes) {
    if (!scope_->failed() && size_bytes != 0) std::memcpy(destination, source, size_bytes);
  }

  std::shared_ptr<Device> device_;
  std::shared_ptr<ErrorScope> scope_ = std::make_shared<ErrorScope>();
};

class CpuDevice final : public Device {
 public:
  std::string name() const override { return "cpu"; }
  std::string_view kind() const override { return "cpu"; }
  bool host_addressable() const override { return true; }

  MemoryInfo memory() const override {
    const size_t used = used_bytes_.load(std::memory_order_relaxed);
    return {.total_bytes = total_bytes_, .free_bytes = total_bytes_ - std::min(used, total_bytes_)};
  }

  Result<Storage> allocate(size_t size_bytes) override {
    const size_t alignment = size_bytes >= kHugePageBytes ? kHugePageBytes : kAlignmentBytes;
    // Linux grants what it can't back and kills later; the limit has to be kept here.
    void* data = nullptr;
    if (reserve(size_bytes)) data = allocate_aligned(size_bytes, alignment);
    if (data == nullptr) return exhausted(size_bytes);
    return Storage(shared_from_this(), data, size_bytes, false);
  }

  Result<Storage> allocate_host(size_t size_bytes) override {
    WDE_ASSIGN_OR_RETURN(Storage storage, allocate(size_bytes));
    // Whole pages that are given back read as zero, and take no memory until they are written: of a
    // buffer for the longest text little may ever be.
    size_t zeroed = size_bytes < kHugePageBytes ? 0 : size_bytes / kPageBytes * kPageBytes;
    if (zeroed > 0 && ::madvise(storage.data(), zeroed, MADV_DONTNEED) != 0) zeroed = 0;
    std::memset(static_cast<std::byte*>(storage.data()) + zeroed, 0, size_bytes - zeroed);
    return storage;
  }

  std::unique_ptr<Stream> create_stream() override {
    return std::make_unique<CpuStream>(shared_from_this());
  }
  std::unique_ptr<Event> create_event() override { return std::make_unique<CpuEvent>(); }

 protected:
  void release(void* data, size_t size_bytes, bool) override {
    std::free(data);
    used_bytes_.fetch_sub(size_bytes, std::memory_order_relaxed);
  }

 private:
  // Books the bytes; false when they are not there.
  bool reserve(size_t size_bytes) {
    size_t used = used_bytes_.load(std::memory_order_relaxed);
    do {
      if (size_bytes > total_bytes_ - used) return false;
    } while (!used_bytes_.compare_exchange_weak(used, used + size_bytes));
    return true;
  }

  // Null, with nothing booked, when the process's address space has no room.
  void* allocate_aligned(size_t size_bytes, size_t alignment) {
    void* data = nullptr;
    if (::posix_memalign(&data, alignment, std::max<size_t>(1, size_bytes)) != 0) {
      used_bytes_.fetch_sub(size_bytes, std::memory_order_relaxed);
      return nullptr;
    }
    // Advice only: where huge pages are off, small ones serve. Whole ones: one that is begun would
    // be in memory as a whole, and nobody would have booked it.
    if (size_bytes >= kHugePageBytes) {
      ::madvise(data, size_bytes / kHugePageBytes * kHugePageBytes, MADV_HUGEPAGE);
    }
    return data;
  }

  Status exhausted(size_t size_bytes) const {
    return resource_exhausted_error("cpu: {} bytes of memory asked for, {} in use of {}",
                                    size_bytes, used_bytes_.load(std::memory_order_relaxed),
                                    total_bytes_);
  }

  const size_t total_bytes_ = available_memory_bytes();
  std::atomic<size_t> used_bytes_{0};
};

}  // namespace

std::shared_ptr<Device> create_cpu_device() { return std::make_shared<CpuDevice>(); }

}  // namespace wde
