// Counts what is taken from the heap, by whatever takes it: this program's malloc and its relatives
// are counting ones. Its own program, so that no other test pays for them.
#pragma once

#include <cstdint>

namespace wde::test {

// So far, on all threads that did not leave the count.
int64_t heap_allocations();
// The calling thread's no longer count.
void leave_the_count();

}  // namespace wde::test
