// What this process holds of memory, as the system and the allocator count it. Nothing here changes
// what is counted but return_free_heap(). Thread-safe.
#pragma once

#include <cstddef>
#include <string>

#include "base/status.h"

namespace wde {

// Bytes that are in memory now (Linux: /proc/self/status).
struct ResidentMemory {
  size_t anonymous_bytes = 0;  // RssAnon: heaps, stacks
  size_t file_bytes = 0;       // RssFile: mapped files, programs and libraries among them
  size_t peak_bytes = 0;       // VmHWM: the most that all kinds together ever were
};

// `status_file` is /proc/self/status; tests name others. Errors: kNotFound and kIoError, and
// kDataLoss naming the field that is missing.
Result<ResidentMemory> read_resident_memory(const std::string& status_file = "/proc/self/status");

// Bytes that are allocated and not freed, of all threads; 0 where the allocator does not tell
// (under sanitizers).
size_t heap_in_use_bytes();

// Gives the system back what is free in the heap, for when much was freed that will not be asked
// for again. Takes milliseconds.
void return_free_heap();

}  // namespace wde
