// Splitting rows over the threads that an op may use. How rows are split never changes a result.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/thread_pool.h"

namespace wde::ops {

inline int thread_count(const ThreadPool* pool) { return pool == nullptr ? 1 : pool->threads(); }

// task(begin, end) over [0, rows) in blocks of `block_rows`; in one piece on the calling thread
// without a pool.
template <class Task>
void parallel_rows(ThreadPool* pool, int64_t rows, int64_t block_rows, const Task& task) {
  if (thread_count(pool) == 1 || rows <= block_rows) {
    if (rows > 0) task(int64_t{0}, rows);
    return;
  }
  const auto blocks = static_cast<size_t>((rows + block_rows - 1) / block_rows);
  pool->parallel_for(blocks, [&](size_t block, int) {
    const int64_t begin = static_cast<int64_t>(block) * block_rows;
    task(begin, std::min(begin + block_rows, rows));
  });
}

}  // namespace wde::ops
