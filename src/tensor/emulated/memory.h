// The emulated device's two kinds of memory: device blocks, whose addresses lie in a reservation
// that nobody can access and whose bytes are elsewhere, and host blocks. Guarded by its owner's
// mutex; must not know streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>

#include "base/status.h"

namespace wde::emulated {

// Bytes on the heap, 64-byte aligned, filled with one value.
class Bytes {
 public:
  // data() is null when the process has no room for them.
  Bytes(size_t size_bytes, int fill);
  ~Bytes();
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  std::byte* data() const { return data_; }
  size_t size_bytes() const { return size_bytes_; }

 private:
  std::byte* data_;
  size_t size_bytes_;
};

// All ones: a NaN as f32, bf16 and f16, and -1 as an integer, so that nobody computes with it
// unnoticed.
constexpr int kUninitialised = 0xFF;
constexpr int kFreed = 0xFD;

class Memory {
 public:
  static Result<std::unique_ptr<Memory>> create(size_t total_bytes);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // A device address; addresses are never used twice. Errors: kResourceExhausted.
  Result<void*> allocate_device(size_t size_bytes);
  // A host address, zeroed. Errors: kResourceExhausted.
  Result<void*> allocate_host(size_t size_bytes);
  void release_device(void* address);
  void release_host(void* address);

  // Where a device range's bytes are; `bytes` keeps them while an operation is under way.
  struct Backing {
    std::shared_ptr<Bytes> bytes;
    std::byte* data = nullptr;
  };
  // Errors: kDeviceError, naming `what`, unless the range lies inside one live device block.
  Result<Backing> resolve_device(std::string_view what, const void* address,
                                 size_t size_bytes) const;
  // Errors: kDeviceError, naming `what`, when the range is null, touches device addresses, or
  // leaves the host block in which it starts.
  Status check_host(std::string_view what, const void* address, size_t size_bytes) const;

  size_t total_bytes() const { return total_bytes_; }
  size_t device_bytes() const { return device_bytes_; }
  size_t host_bytes() const { return host_bytes_; }

 private:
  using Blocks = std::map<uintptr_t, std::shared_ptr<Bytes>>;  // by first address
  Memory(uintptr_t begin, size_t reserved_bytes, size_t total_bytes);
  // The block whose first address is the last at or before `address`; end() when none.
  static Blocks::const_iterator block_before(const Blocks& blocks, uintptr_t address);

  uintptr_t begin_;  // of the reservation
  uintptr_t end_;
  uintptr_t next_;  // where the next block goes
  size_t total_bytes_;
  size_t device_bytes_ = 0;
  size_t host_bytes_ = 0;
  Blocks device_blocks_;
  Blocks host_blocks_;
};

}  // namespace wde::emulated
