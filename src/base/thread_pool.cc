#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include "base/cgroup.h"
#include "base/status.h"

namespace wde {
namespace {

// How often an idle thread looks again before it sleeps: some ten microseconds, about what sleeping
// and being woken costs. Longer would burn the quota of a container that has nothing to do.
constexpr int kSpins = 500;

void spin_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

std::vector<int> affinity_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &set)) cores.push_back(core);
    }
  }
  if (cores.empty()) {  // more cores than the set can name
    for (unsigned core = 0; core < std::max(1u, std::thread::hardware_concurrency()); ++core) {
      cores.push_back(static_cast<int>(core));
    }
  }
  return cores;
}

// Best effort: a core that was taken away in the meantime leaves the thread unpinned.
void pin(pthread_t thread, const std::vector<int>& cores, int index) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cores[static_cast<size_t>(index) % cores.size()], &set);
  ::pthread_setaffinity_np(thread, sizeof(set), &set);
}

// Waits until `atomic` is not `seen`: a short spin first, then a futex.
void wait_for_change(const std::atomic<uint32_t>& atomic, uint32_t seen) {
  for (int i = 0; i < kSpins; ++i) {
    if (atomic.load(std::memory_order_acquire) != seen) return;
    spin_pause();
  }
  atomic.wait(seen, std::memory_order_acquire);
}

}  // namespace

int available_cores() {
  const auto affinity = static_cast<int>(affinity_cores().size());
  const std::optional<double> quota = read_cgroup_limits().cores;
  if (!quota || *quota >= affinity) return affinity;
  return std::max(1, static_cast<int>(std::ceil(*quota)));
}

void pin_this_thread(int index) { pin(::pthread_self(), affinity_cores(), index); }

size_t available_memory_bytes() {
  const auto physical =
      static_cast<size_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return std::min(physical, read_cgroup_limits().memory_bytes.value_or(physical));
}

// One job at a time. `claim` holds the job's number (high half) and the next index to hand out (low
// half), so that one compare-and-swap both claims an index and proves that the job is still the one
// whose fields were read: the caller closes `claim` before it changes them, and whoever reads a
// changed field (acquire) can't swap from a value older than the closing. Completion waits for
// claimed indices only: a worker that sleeps through a small job delays nobody.
struct ThreadPool::State {
  static constexpr uint32_t kClosed = std::numeric_limits<uint32_t>::max();  // above every index

  std::atomic<uint64_t> claim{0};
  std::atomic<Function> function{nullptr};
  std::atomic<const void*> context{nullptr};
  std::atomic<uint32_t> count{0};
  std::atomic<uint32_t> done{0};
  std::atomic<uint32_t> wake{0};  // changes when there is a job, or nothing more to come
  std::atomic<bool> stop{false};
  std::vector<std::thread> workers;

  void publish(uint32_t new_count, Function new_function, const void* new_context) {
    const uint64_t job = ((claim.load(std::memory_order_relaxed) >> 32) + 1) << 32;
    claim.store(job | kClosed, std::memory_order_relaxed);
    function.store(new_function, std::memory_order_release);
    context.store(new_context, std::memory_order_release);
    count.store(new_count, std::memory_order_release);
    done.store(0, std::memory_order_release);
    claim.store(job, std::memory_order_release);
    wake.fetch_add(1, std::memory_order_release);
    wake.notify_all();
  }

  // Runs indices of the current job until none is left.
  void work(int thread) {
    uint64_t claimed = claim.load(std::memory_order_acquire);
    while (true) {
      const Function run = function.load(std::memory_order_acquire);
      const void* argument = context.load(std::memory_order_acquire);
      const uint32_t total = count.load(std::memory_order_acquire);
      const auto index = static_cast<uint32_t>(claimed);
      if (index >= total) return;
      if (!claim.compare_exchange_weak(claimed, claimed + 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
        continue;
      }
      run(argument, index, thread);
      if (done.fetch_add(1, std::memory_order_acq_rel) + 1 == total) done.notify_one();
      claimed = claim.load(std::memory_order_acquire);
    }
  }

  void worker_loop(int thread) {
    while (true) {
      const uint32_t seen = wake.load(std::memory_order_acquire);
      if (stop.load(std::memory_order_acquire)) return;
      work(thread);
      wait_for_change(wake, seen);
    }
  }

  void end() {
    stop.store(true, std::memory_order_release);
    wake.fetch_add(1, std::memory_order_release);
    wake.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  void wait_until_done(uint32_t total) {
    while (true) {
      const uint32_t seen = done.load(std::memory_order_acquire);
      if (seen == total) return;
      wait_for_change(done, seen);
    }
  }
};

ThreadPool::ThreadPool(int threads, int first_core) : state_(std::make_unique<State>()) {
  WDE_CHECK(threads >= 1);
  const std::vector<int> cores = affinity_cores();
  try {
    for (int i = 1; i < threads; ++i) {
      state_->workers.emplace_back([state = state_.get(), i] { state->worker_loop(i); });
      if (first_core >= 0) pin(state_->workers.back().native_handle(), cores, first_core + i);
    }
  } catch (...) {
    state_->end();
    throw;
  }
}

ThreadPool::~ThreadPool() { state_->end(); }

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::run(size_t count, Function function, const void* context) {
  WDE_CHECK(count <= std::numeric_limits<uint32_t>::max());
  if (state_->workers.empty() || count <= 1) {
    for (size_t index = 0; index < count; ++index) function(context, index, 0);
    return;
  }
  const auto total = static_cast<uint32_t>(count);
  state_->publish(total, function, context);
  state_->work(0);
  state_->wait_until_done(total);
}

}  // namespace wde
