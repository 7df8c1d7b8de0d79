#include "steady_state/allocation_count.h"

#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

namespace {

std::atomic<int64_t> allocations{0};
thread_local bool counts = true;

}  // namespace

namespace wde::test {

int64_t heap_allocations() { return allocations.load(); }
void leave_the_count() { counts = false; }

}  // namespace wde::test

// Sanitizers have an allocator of their own in the place of these.
#ifndef WDE_SANITIZED
namespace {

void count() {
  if (counts) allocations.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

extern "C" {

// glibc's own, under the names that it keeps for those who replace the public ones.
void* __libc_malloc(size_t size_bytes) noexcept;
void* __libc_calloc(size_t count, size_t size_bytes) noexcept;
void* __libc_realloc(void* data, size_t size_bytes) noexcept;
void* __libc_memalign(size_t alignment, size_t size_bytes) noexcept;

void* malloc(size_t size_bytes) noexcept {
  count();
  return __libc_malloc(size_bytes);
}

void* calloc(size_t elements, size_t size_bytes) noexcept {
  count();
  return __libc_calloc(elements, size_bytes);
}

void* realloc(void* data, size_t size_bytes) noexcept {
  count();
  return __libc_realloc(data, size_bytes);
}

void* memalign(size_t alignment, size_t size_bytes) noexcept {
  count();
  return __libc_memalign(alignment, size_bytes);
}

void* aligned_alloc(size_t alignment, size_t size_bytes) noexcept {
  return memalign(alignment, size_bytes);
}

int posix_memalign(void** data, size_t alignment, size_t size_bytes) noexcept {
  *data = memalign(alignment, size_bytes);
  return *data == nullptr ? ENOMEM : 0;
}

}  // extern "C"
#endif
