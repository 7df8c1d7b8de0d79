#include "tensor/emulated/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

namespace wde::emulated {
namespace {

constexpr size_t kAlignmentBytes = 64;
constexpr size_t kPageBytes = 4096;
// Addresses are not used twice, so there must be many more than memory; they cost nothing.
constexpr size_t kMinReservedBytes = size_t{4} << 30;
constexpr size_t kReservedPerByte = 64;

size_t round_up(size_t size, size_t multiple) {
  return (size + multiple - 1) / multiple * multiple;
}

// The range does not fit behind `offset` in a block of block_bytes.
bool leaves(size_t offset, size_t size_bytes, size_t block_bytes) {
  return offset > block_bytes || size_bytes > block_bytes - offset;
}

}  // namespace

Bytes::Bytes(size_t size_bytes, int fill)
    : data_(static_cast<std::byte*>(std::aligned_alloc(
          kAlignmentBytes, round_up(std::max<size_t>(size_bytes, 1), kAlignmentBytes)))),
      size_bytes_(size_bytes) {
  if (data_ != nullptr) std::memset(data_, fill, size_bytes);
}

Bytes::~Bytes() {
  if (data_ != nullptr) std::memset(data_, kFreed, size_bytes_);
  std::free(data_);
}

Result<std::unique_ptr<Memory>> Memory::create(size_t total_bytes) {
  if (total_bytes > (size_t{1} << 42)) {
    return resource_exhausted_error("emulated: a memory of {} bytes is more than can be reserved",
                                    total_bytes);
  }
  const size_t reserved_bytes = std::max(kMinReservedBytes, total_bytes * kReservedPerByte);
  void* begin = ::mmap(nullptr, reserved_bytes, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (begin == MAP_FAILED) {
    return resource_exhausted_error("emulated: {} bytes of address space can't be reserved",
                                    reserved_bytes);
  }
  return std::unique_ptr<Memory>(
      new Memory(reinterpret_cast<uintptr_t>(begin), reserved_bytes, total_bytes));
}

Memory::Memory(uintptr_t begin, size_t reserved_bytes, size_t total_bytes)
    : begin_(begin), end_(begin + reserved_bytes), next_(begin), total_bytes_(total_bytes) {}

Memory::~Memory() { ::munmap(reinterpret_cast<void*>(begin_), end_ - begin_); }

Result<void*> Memory::allocate_device(size_t size_bytes) {
  const auto exhausted = [&](std::string_view what) {
    return resource_exhausted_error("emulated: {} bytes of {} asked for, {} in use of {}",
                                    size_bytes, what, device_bytes_, total_bytes_);
  };
  if (size_bytes > total_bytes_ - device_bytes_) return exhausted("memory");
  // A page stays free behind each block, so that running over its end meets no neighbour.
  const size_t room_bytes = round_up(size_bytes, kPageBytes) + kPageBytes;
  if (room_bytes > end_ - next_) return exhausted("address space");
  auto bytes = std::make_shared<Bytes>(size_bytes, kUninitialised);
  if (bytes->data() == nullptr) return exhausted("the process's memory");
  const uintptr_t address = std::exchange(next_, next_ + room_bytes);
  device_blocks_.emplace(address, std::move(bytes));
  device_bytes_ += size_bytes;
  return reinterpret_cast<void*>(address);
}

Result<void*> Memory::allocate_host(size_t size_bytes) {
  auto bytes = std::make_shared<Bytes>(size_bytes, 0);
  if (bytes->data() == nullptr) {
    return resource_exhausted_error("emulated: {} bytes of host memory asked for, {} in use",
                                    size_bytes, host_bytes_);
  }
  void* address = bytes->data();
  host_blocks_.emplace(reinterpret_cast<uintptr_t>(address), std::move(bytes));
  host_bytes_ += size_bytes;
  return address;
}

void Memory::release_device(void* address) {
  const auto block = device_blocks_.find(reinterpret_cast<uintptr_t>(address));
  WDE_CHECK(block != device_blocks_.end());
  device_bytes_ -= block->second->size_bytes();
  device_blocks_.erase(block);
}

void Memory::release_host(void* address) {
  const auto block = host_blocks_.find(reinterpret_cast<uintptr_t>(address));
  WDE_CHECK(block != host_blocks_.end());
  host_bytes_ -= block->second->size_bytes();
  host_blocks_.erase(block);
}

Memory::Blocks::const_iterator Memory::block_before(const Blocks& blocks, uintptr_t address) {
  const auto after = blocks.upper_bound(address);
  return after == blocks.begin() ? blocks.end() : std::prev(after);
}

Result<Memory::Backing> Memory::resolve_device(std::string_view what, const void* address,
                                               size_t size_bytes) const {
  const auto at = reinterpret_cast<uintptr_t>(address);
  if (at < begin_ || at >= end_) {
    return device_error("{}: {} is not an address of the emulated device", what, address);
  }
  const auto block = block_before(device_blocks_, at);
  if (block == device_blocks_.end() || at - block->first > block->second->size_bytes()) {
    return device_error("{}: {} lies in freed or never allocated device memory", what, address);
  }
  const size_t offset = at - block->first;
  const std::shared_ptr<Bytes>& bytes = block->second;
  if (leaves(offset, size_bytes, bytes->size_bytes())) {
    return device_error(
        "{}: {} bytes at {} leave their block of {} bytes, {} into which they start", what,
        size_bytes, address, bytes->size_bytes(), offset);
  }
  return Backing{.bytes = bytes, .data = bytes->data() + offset};
}

Status Memory::check_host(std::string_view what, const void* address, size_t size_bytes) const {
  if (address == nullptr) return device_error("{}: the host pointer is null", what);
  const auto at = reinterpret_cast<uintptr_t>(address);
  if (at < end_ && begin_ < at + size_bytes) {
    return device_error("{}: {} is a device address, not host memory", what, address);
  }
  const auto block = block_before(host_blocks_, at);
  if (block == host_blocks_.end()) return Status();
  const size_t offset = at - block->first;
  const size_t block_bytes = block->second->size_bytes();
  // Beyond the block it is host memory of somebody else's, about which nothing is known.
  if (offset >= block_bytes || !leaves(offset, size_bytes, block_bytes)) return Status();
  return device_error(
      "{}: {} bytes at {} leave their host block of {} bytes, {} into which they start", what,
      size_bytes, address, block_bytes, offset);
}

}  // namespace wde::emulated
