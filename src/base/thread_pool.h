// A fixed set of threads for data-parallel CPU work, passed by reference and never global.
// One caller at a time: the device thread that owns the pool.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace wde {

// Cores that this process may use: the smaller of the affinity mask and the cgroup (v1 or v2) CPU
// quota rounded up, at least 1.
int available_cores();

// Bytes of memory that this process may use: the smaller of physical memory and the cgroup limit.
size_t available_memory_bytes();

// Pins the calling thread to core `index` (modulo their number) of the process's affinity mask;
// best effort. Call it before anything else narrows this thread's mask.
void pin_this_thread(int index);

class ThreadPool {
 public:
  // `threads` >= 1 counts the caller, who works too: ThreadPool(1) starts no thread. When
  // `first_core` >= 0, the i-th thread it starts (from 1) is pinned to the core first_core + i of
  // the process's affinity mask; the caller is left alone. Throws std::system_error when a thread
  // can't be started.
  explicit ThreadPool(int threads, int first_core = -1);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Runs task(index, thread) once for every index in [0, count), thread in [0, threads()), and
  // returns when all are done (their writes are visible). Indices are handed out in order, one at a
  // time, to whoever is free. Blocks; allocates nothing. Tasks must not throw nor call parallel_for
  // of this pool.
  template <class Task>
  void parallel_for(size_t count, const Task& task) {
    run(
        count,
        [](const void* context, size_t index, int thread) {
          (*static_cast<const Task*>(context))(index, thread);
        },
        &task);
  }

 private:
  using Function = void (*)(const void* context, size_t index, int thread);
  void run(size_t count, Function function, const void* context);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wde
