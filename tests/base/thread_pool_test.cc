#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

namespace wde {
namespace {

TEST(ThreadPool, RunsEveryIndexOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const size_t count : {0u, 1u, 2u, 7u, 1000u}) {
      std::vector<int> runs(count);
      pool.parallel_for(count, [&](size_t index, int thread) {
        ++runs[index];
        EXPECT_TRUE(thread >= 0 && thread < threads);
      });
      EXPECT_EQ(runs, std::vector<int>(count, 1));
    }
  }
}

TEST(ThreadPool, ManyShortJobsSeeEachOthersWrites) {
  ThreadPool pool(4);
  std::vector<int64_t> values(64);
  for (int round = 0; round < 5000; ++round) {
    pool.parallel_for(values.size(), [&](size_t index, int) { values[index] += round; });
    ASSERT_EQ(std::accumulate(values.begin(), values.end(), int64_t{0}),
              64 * (int64_t{round} * (round + 1) / 2));
  }
}

#if defined(WDE_SANITIZED)
constexpr size_t kRounds = 100000;
#else
constexpr size_t kRounds = 1000000;
#endif

// A worker late from a small job must not take an index of the next, larger one for its own.
TEST(ThreadPool, JobsOfChangingSizeRunEveryIndexOnce) {
  for (const int threads : {2, 3}) {
    ThreadPool pool(threads);
    for (size_t round = 0; round < kRounds; ++round) {
      std::array<std::atomic<int>, 20> runs{};
      const size_t count = 2 + round % 7 * 3;
      pool.parallel_for(count, [&](size_t index, int) { ++runs[index]; });
      for (size_t index = 0; index < runs.size(); ++index) {
        ASSERT_EQ(runs[index], index < count ? 1 : 0) << "round " << round;
      }
    }
  }
}

TEST(ThreadPool, AThreadIndexIsNeverUsedTwiceAtOnce) {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> busy(4);
  pool.parallel_for(2000, [&](size_t, int thread) {
    EXPECT_EQ(busy[static_cast<size_t>(thread)].fetch_add(1), 0);
    std::this_thread::yield();
    busy[static_cast<size_t>(thread)].fetch_sub(1);
  });
}

TEST(ThreadPool, TheCallerWorksWithoutTheOthers) {
  ThreadPool pool(1);
  const auto caller = std::this_thread::get_id();
  std::vector<size_t> order;
  pool.parallel_for(5, [&](size_t index, int) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    order.push_back(index);
  });
  EXPECT_EQ(order, (std::vector<size_t>{0, 1, 2, 3, 4}));
}

TEST(ThreadPool, WorkersHelpWhenTheCallerIsStuck) {
  ThreadPool pool(3);
  std::atomic<int> meeting{0};
  pool.parallel_for(3, [&](size_t, int) {  // ends only when three threads are in it at once
    ++meeting;
    for (int seen = meeting; seen < 3; seen = meeting) meeting.wait(seen);
    meeting.notify_all();
  });
  EXPECT_EQ(meeting, 3);
}

TEST(ThreadPool, PinsItsWorkers) {
  ThreadPool pool(2, 0);
  cpu_set_t caller_set;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(caller_set), &caller_set), 0);
  std::atomic<int> meeting{0};
  pool.parallel_for(2, [&](size_t, int thread) {
    ++meeting;
    for (int seen = meeting; seen < 2; seen = meeting) meeting.wait(seen);
    meeting.notify_all();
    cpu_set_t set;
    EXPECT_EQ(::sched_getaffinity(0, sizeof(set), &set), 0);
    EXPECT_EQ(CPU_COUNT(&set), thread == 0 ? CPU_COUNT(&caller_set) : 1);
  });
}

TEST(Machine, HasCoresAndMemory) {
  EXPECT_GE(available_cores(), 1);
  EXPECT_LE(available_cores(), static_cast<int>(std::thread::hardware_concurrency()));
  EXPECT_GT(available_memory_bytes(), size_t{64} << 20);
}

TEST(Machine, HonoursTheAffinityMask) {
  std::thread([] {
    cpu_set_t set;
    ASSERT_EQ(::sched_getaffinity(0, sizeof(set), &set), 0);
    int core = 0;
    while (!CPU_ISSET(core, &set)) ++core;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    ASSERT_EQ(::sched_setaffinity(0, sizeof(set), &set), 0);
    EXPECT_EQ(available_cores(), 1);
  }).join();
}

}  // namespace
}  // namespace wde
