// A long text in chunks: who passes between them, and what becomes of either when the other fails.
#include <gtest/gtest.h>

#include <thread>

#include "rig.h"

namespace wde::execution {
namespace {

using test::kind_of;
using test::make_emulated;
using test::Rig;
using test::Texts;
using test::values_of;

const Texts kLongText = {{1, 2, 3, 4, 5, 6}};
constexpr int64_t kChunkRows = 2;

TEST(LongText, ABatchThatWaitsPassesBetweenItsChunks) {
  for (const Task task : {Task::kEmbed, Task::kHidden}) {
    Rig rig(kind_of("double_buffer"), 1);
    rig.gate().hold(3);  // the second of three chunks
    Slot* const long_text = rig.executor().acquire();
    rig.start(long_text, kLongText, task, kChunkRows);
    Slot* const other = rig.executor().acquire();
    rig.start(other, {{7, 8}, {9}}, task);
    rig.gate().hold(5);  // so the other one ends before the third chunk does
    rig.gate().open(3);
    EXPECT_EQ(rig.wait_completed(), other);
    EXPECT_EQ(values_of(*other), test::expected_rows({{7, 8}, {9}}, task));
    EXPECT_EQ(rig.executor().completed(), nullptr);
    rig.gate().open(5);
    EXPECT_EQ(rig.wait_completed(), long_text);
    EXPECT_EQ(values_of(*long_text), test::expected_rows(kLongText, task));
    EXPECT_LE(long_text->batch.requests[0].timestamps.begin,
              other->batch.requests[0].timestamps.begin);
    EXPECT_LE(other->batch.requests[0].timestamps.end, long_text->batch.requests[0].timestamps.end);
  }
}

// The slot is used again while the long text computes: one more passes behind the next chunk.
TEST(LongText, OneAfterTheOtherPasses) {
  Rig rig(kind_of("double_buffer"), 1);
  rig.gate().hold(1);
  Slot* const long_text = rig.executor().acquire();
  rig.start(long_text, {std::vector<int32_t>{1, 2, 3, 4, 5, 6, 10, 11}}, Task::kEmbed, kChunkRows);
  Slot* const slot = rig.executor().acquire();
  rig.start(slot, {{20}});
  rig.gate().hold(10);
  rig.gate().open(1);
  ASSERT_EQ(rig.wait_completed(), slot);
  rig.executor().release(slot);
  EXPECT_EQ(rig.executor().acquire(), slot);
  EXPECT_EQ(rig.executor().acquire(), nullptr);
  rig.start(slot, {{21}});
  rig.gate().open(10);
  // Behind the last chunk, or between two: in either case it ends, and so does the long text.
  std::vector<Slot*> completed = {rig.wait_completed(), rig.wait_completed()};
  EXPECT_NE(completed[0], completed[1]);
  EXPECT_EQ(values_of(*slot), test::expected_rows({{21}}, Task::kEmbed));
}

TEST(LongText, NoSecondOnePasses) {
  Rig rig(kind_of("double_buffer"), 1);
  rig.gate().hold(1);
  Slot* const first = rig.executor().acquire();
  EXPECT_FALSE(rig.executor().computes_long_text(*first));
  rig.start(first, kLongText, Task::kEmbed, kChunkRows);
  Slot* const second = rig.executor().acquire();
  EXPECT_TRUE(rig.executor().computes_long_text(*second));
  rig.start(second, {{30, 31, 32}}, Task::kEmbed, kChunkRows);
  rig.gate().open(1);
  EXPECT_EQ(rig.wait_completed(), first);
  EXPECT_EQ(rig.wait_completed(), second);
  EXPECT_EQ(values_of(*second), test::expected_rows({{30, 31, 32}}, Task::kEmbed));
  EXPECT_FALSE(rig.executor().computes_long_text(*first));
}

TEST(LongText, OthersAreGivenToWorkersWithoutOne) {
  Rig rig(kind_of("double_buffer"), 2);
  rig.gate().hold(1);
  rig.gate().hold(40);
  Slot* const long_text = rig.executor().acquire();
  rig.start(long_text, kLongText, Task::kEmbed, kChunkRows);
  Slot* const beside = rig.executor().acquire();
  EXPECT_NE(&beside->worker(), &long_text->worker());
  rig.start(beside, {{40}});
  Slot* const third = rig.executor().acquire();  // each worker has one batch in flight
  EXPECT_EQ(&third->worker(), &beside->worker());
  EXPECT_FALSE(rig.executor().computes_long_text(*third));
  rig.start(third, {{41}});
  rig.gate().open(1);
  rig.gate().open(40);
  for (int i = 0; i < 3; ++i) rig.wait_completed();
}

TEST(LongText, NothingPassesWhereOneBatchIsInFlight) {
  Rig rig(kind_of("simple"), 1);
  Slot* const slot = rig.executor().acquire();
  rig.start(slot, kLongText, Task::kHidden, kChunkRows);
  EXPECT_EQ(rig.executor().acquire(), nullptr);
  EXPECT_EQ(rig.wait_completed(), slot);
  EXPECT_EQ(values_of(*slot), test::expected_rows(kLongText, Task::kHidden));
}

TEST(LongText, DestructionCompletesItAndWhatWaits) {
  Rig rig(kind_of("double_buffer"), 1);
  rig.gate().hold(3);
  const uint64_t before = rig.signal().epoch();
  rig.start(rig.executor().acquire(), kLongText, Task::kEmbed, kChunkRows);
  rig.start(rig.executor().acquire(), {{7}});
  std::thread opener([&] { rig.gate().open(3); });
  rig.destroy_executor();
  opener.join();
  EXPECT_EQ(rig.signal().epoch() - before, 2u);
}

// On a device that works late: the other one is enqueued between the first two chunks.
struct Passed {
  Slot* long_text;
  Slot* other;
};
Passed run_with_a_pass(Rig& rig, Task task) {
  rig.gate().hold_row(0);
  Slot* const long_text = rig.executor().acquire();
  rig.start(long_text, kLongText, task, kChunkRows);
  Slot* const other = rig.executor().acquire();
  rig.start(other, {{7, 8}, {9}}, task);
  rig.gate().open_row(0);
  rig.wait_completed();
  rig.wait_completed();
  return {long_text, other};
}

TEST(LongTextOnAnEmulatedDevice, GivesTheSameRowsInEverySchedule) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const auto device = make_emulated(seed);
    Rig rig(kind_of("double_buffer"), 1, device);
    for (const Task task : {Task::kEmbed, Task::kHidden}) {
      const Passed passed = run_with_a_pass(rig, task);
      EXPECT_EQ(values_of(*passed.long_text), test::expected_rows(kLongText, task));
      EXPECT_EQ(values_of(*passed.other), test::expected_rows({{7, 8}, {9}}, task));
      rig.executor().release(passed.long_text);
      rig.executor().release(passed.other);
    }
    rig.destroy_executor();
    for (const Status& violation : device->violations()) ADD_FAILURE() << violation.message();
  }
}

// What is enqueued behind the other batch is the long text's own again.
TEST(LongTextOnAnEmulatedDevice, AFaultFailsItsOwnBatchAlone) {
  struct Case {
    const char* name;
    EmulatedFaults faults;
    bool fails_long_text;
  };
  const Case cases[] = {
      {"copy in of the text", {.copy = EmulatedFault{.nth = 1, .name = "copy_to_device"}}, true},
      {"first chunk", {.launch = EmulatedFault{.nth = 1, .name = "embedding_sum"}}, true},
      {"second chunk", {.launch = EmulatedFault{.nth = 3, .name = "embedding_sum"}}, true},
      {"the other", {.launch = EmulatedFault{.nth = 2, .name = "embedding_sum"}}, false},
      {"copy in of the other", {.copy = EmulatedFault{.nth = 2, .name = "copy_to_device"}}, false},
      {"head of the other", {.launch = EmulatedFault{.nth = 1, .name = "pooling"}}, false},
      {"third chunk", {.launch = EmulatedFault{.nth = 4, .name = "embedding_sum"}}, true},
      {"head of the text", {.launch = EmulatedFault{.nth = 2, .name = "pooling"}}, true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto device = make_emulated(5);
    Rig rig(kind_of("double_buffer"), 1, device);
    device->set_faults(c.faults);
    const Passed passed = run_with_a_pass(rig, Task::kEmbed);
    const Slot& failed = c.fails_long_text ? *passed.long_text : *passed.other;
    const Slot& whole = c.fails_long_text ? *passed.other : *passed.long_text;
    EXPECT_EQ(failed.output().status.code(), StatusCode::kDeviceError);
    EXPECT_EQ(
        values_of(whole),
        test::expected_rows(c.fails_long_text ? Texts{{7, 8}, {9}} : kLongText, Task::kEmbed));
  }
}

}  // namespace
}  // namespace wde::execution
