// Where the time goes: what Profile adds up, and what a scope adds to it.

#include "ops/profile.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "op_runner.h"

namespace wde::ops {
namespace {

TEST(Profile, AddsUpByOpInTheOrderOfTheirFirstCalls) {
  Profile profile;
  profile.add("b", 1.0, {.flops = 8, .bytes = 2});
  profile.add("a", 0.5, {.flops = 0, .bytes = 16});
  profile.add("b", 0.25, {.flops = 4, .bytes = 1});
  const std::vector<Profile::Entry> entries = profile.take();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].op, "b");
  EXPECT_EQ(entries[0].calls, 2);
  EXPECT_EQ(entries[0].core_seconds, 1.25);
  EXPECT_EQ(entries[0].work.flops, 12);
  EXPECT_EQ(entries[0].work.bytes, 3);
  EXPECT_EQ(entries[1].op, "a");
  EXPECT_EQ(entries[1].calls, 1);
  EXPECT_EQ(entries[1].work.bytes, 16);
}

TEST(Profile, TakeEmpties) {
  Profile profile;
  EXPECT_TRUE(profile.take().empty());
  profile.add("a", 1, {});
  EXPECT_EQ(profile.take().size(), 1u);
  EXPECT_TRUE(profile.take().empty());
  profile.add("a", 1, {});
  EXPECT_EQ(profile.take()[0].calls, 1);
}

// Many threads add while one takes: nothing is lost, nothing is counted twice.
TEST(Profile, ThreadsAddToOne) {
  constexpr int kThreads = 4, kCalls = 2000;
  Profile profile;
  double taken = 0;
  int64_t calls = 0;
  const auto take = [&] {
    for (const Profile::Entry& entry : profile.take()) {
      taken += entry.work.flops;
      calls += entry.calls;
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&profile, t] {
      const std::string op = t % 2 == 0 ? "even" : "odd";
      for (int i = 0; i < kCalls; ++i) profile.add(op, 1e-9, {.flops = 3, .bytes = 1});
    });
  }
  for (int i = 0; i < 100; ++i) take();
  for (std::thread& thread : threads) thread.join();
  take();
  EXPECT_EQ(calls, kThreads * kCalls);
  EXPECT_EQ(taken, 3.0 * kThreads * kCalls);
}

TEST(ProfileScope, CountsNothingInADryRunOrWithoutAProfile) {
  Profile profile;
  const auto work = [] { return std::pair(std::string("op"), OpWork{.flops = 7, .bytes = 5}); };
  test::OpRunner runner(*choose_op_table("cpu", "reference").value(), 1);
  OpContext context = runner.context();
  { const ProfileScope scope(context, work); }
  context.profile = &profile;
  context.measuring = true;
  { const ProfileScope scope(context, work); }
  EXPECT_TRUE(profile.take().empty());
  context.measuring = false;
  { const ProfileScope scope(context, work); }
  const std::vector<Profile::Entry> entries = profile.take();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].op, "op");
  EXPECT_EQ(entries[0].work.flops, 7);
  EXPECT_EQ(entries[0].work.bytes, 5);
  EXPECT_GE(entries[0].core_seconds, 0);
}

}  // namespace
}  // namespace wde::ops
