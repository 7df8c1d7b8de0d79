// Batches in flight: who gets them, how many there are, and that each ends, well or not.
#include "execution/executor.h"

#include <gmock/gmock.h>
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
using testing::HasSubstr;

TEST(ChooseExecutor, ByNameOrTheFirst) {
  EXPECT_EQ(kind_of("").name, executor_kinds().front().name);
  EXPECT_EQ(kind_of("simple").slots_per_worker, 1);
  EXPECT_EQ(kind_of("double_buffer").slots_per_worker, 2);
  const Status unknown = choose_executor("triple").status();
  EXPECT_EQ(unknown.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(unknown.message(), HasSubstr("\"triple\""));
  for (const ExecutorKind& kind : executor_kinds()) {
    EXPECT_THAT(unknown.message(), HasSubstr(std::string(kind.name)));
  }
}

TEST(Executor, AcquiresFromTheWorkerWithTheFewestBatchesInFlight) {
  Rig rig(kind_of("double_buffer"), 2);
  rig.gate().hold(1);
  Slot* const first = rig.executor().acquire();
  rig.start(first, {{1}});
  Slot* const second = rig.executor().acquire();
  EXPECT_NE(&second->worker(), &first->worker());
  rig.start(second, {{2}});
  ASSERT_EQ(rig.wait_completed(), second);
  rig.executor().release(second);
  // The first worker is still held.
  EXPECT_EQ(&rig.executor().acquire()->worker(), &second->worker());
  rig.gate().open(1);
  EXPECT_EQ(rig.wait_completed(), first);
}

TEST(Executor, HasSoManySlotsAndNoMore) {
  for (const ExecutorKind& kind : executor_kinds()) {
    for (const int workers : {1, 2}) {
      SCOPED_TRACE(std::string(kind.name) + " of " + std::to_string(workers));
      Rig rig(kind, workers);
      rig.gate().hold(1);
      const int slots = kind.slots_per_worker * workers;
      for (int i = 0; i < slots; ++i) {
        Slot* const slot = rig.executor().acquire();
        ASSERT_NE(slot, nullptr);
        rig.start(slot, {{1}});
        EXPECT_EQ(rig.executor().in_flight(), i + 1);
      }
      EXPECT_EQ(rig.executor().acquire(), nullptr);
      EXPECT_EQ(rig.executor().completed(), nullptr);
      rig.gate().open(1);
      for (int i = slots; i > 0; --i) {
        rig.wait_completed();
        EXPECT_EQ(rig.executor().in_flight(), i - 1);
      }
    }
  }
}

TEST(Executor, ASlotIsFreeOnceReleasedAndEmpty) {
  Rig rig(kind_of("simple"), 1);
  Slot* const slot = rig.executor().acquire();
  rig.start(slot, {{3}, {4}});
  ASSERT_EQ(rig.wait_completed(), slot);
  EXPECT_EQ(slot->batch.requests.size(), 2u);
  EXPECT_EQ(rig.executor().acquire(), nullptr);
  rig.executor().release(slot);
  EXPECT_EQ(rig.executor().acquire(), slot);
  EXPECT_TRUE(slot->batch.empty());
  EXPECT_EQ(slot->batch.tokens, 0);
}

TEST(Executor, AWorkersBatchesCompleteInTheOrderOfTheirStart) {
  Rig rig(kind_of("double_buffer"), 1);
  rig.gate().hold(1);
  Slot* const first = rig.executor().acquire();
  Slot* const second = rig.executor().acquire();
  const uint64_t before = rig.signal().epoch();
  rig.start(first, {{1}});
  rig.start(second, {{2}});
  rig.gate().open(1);
  for (uint64_t seen = before; seen < before + 2; seen = rig.signal().epoch()) {
    rig.signal().wait(seen);
  }
  EXPECT_EQ(rig.executor().completed(), first);
  EXPECT_EQ(rig.executor().completed(), second);
  EXPECT_EQ(rig.executor().completed(), nullptr);
}

TEST(Executor, AWorkerDoesNotWaitForAnother) {
  Rig rig(kind_of("simple"), 2);
  rig.gate().hold(1);
  Slot* const held = rig.executor().acquire();
  rig.start(held, {{1}});
  for (int32_t id = 2; id < 6; ++id) {
    Slot* const slot = rig.executor().acquire();
    rig.start(slot, {{id}});
    ASSERT_EQ(rig.wait_completed(), slot);
    EXPECT_EQ(values_of(*slot), test::expected_rows({{id}}, Task::kEmbed));
    rig.executor().release(slot);
  }
  rig.gate().open(1);
  EXPECT_EQ(rig.wait_completed(), held);
}

TEST(Executor, StampsWhenTheDeviceBeganAndEnded) {
  Rig rig(kind_of("simple"), 1);
  const Clock::time_point before = Clock::now();
  rig.start(rig.executor().acquire(), {{1}, {2}});
  const Slot* const slot = rig.wait_completed();
  for (const auto& request : slot->batch.requests) {
    EXPECT_LE(before, request.timestamps.begin);
    EXPECT_LE(request.timestamps.begin, request.timestamps.end);
    EXPECT_LE(request.timestamps.end, Clock::now());
  }
}

TEST(Executor, DestructionCompletesWhatIsInFlight) {
  for (const ExecutorKind& kind : executor_kinds()) {
    Rig rig(kind, 2);
    rig.gate().hold(1);
    const uint64_t before = rig.signal().epoch();
    uint64_t started = 0;
    while (Slot* slot = rig.executor().acquire()) {
      rig.start(slot, {{1}});
      ++started;
    }
    std::thread opener([&] { rig.gate().open(1); });
    rig.destroy_executor();
    opener.join();
    EXPECT_EQ(rig.signal().epoch() - before, started) << kind.name;
  }
}

TEST(Executor, AWorkerThatCanNotBeMadeIsToldWhy) {
  Signal signal;
  const Status status =
      Executor::create(kind_of("simple"), 2, &signal,
                       [](int, Worker::Options) -> Result<std::unique_ptr<Worker>> {
                         return resource_exhausted_error("12 bytes asked for");
                       })
          .status();
  EXPECT_EQ(status, resource_exhausted_error("12 bytes asked for"));
}

TEST(Executor, TellsWorkersWhatItsKindIs) {
  for (const ExecutorKind& kind : executor_kinds()) {
    Signal signal;
    std::vector<int> indexes;
    const Status status =
        Executor::create(
            kind, 1, &signal,
            [&](int index, Worker::Options options) -> Result<std::unique_ptr<Worker>> {
              indexes.push_back(index);
              EXPECT_EQ(options.slots, kind.slots_per_worker);
              EXPECT_EQ(options.separate_streams, kind.separate_streams);
              EXPECT_TRUE(options.completed != nullptr);
              return internal_error("enough seen");
            })
            .status();
    EXPECT_EQ(status.code(), StatusCode::kInternal);
    EXPECT_EQ(indexes, std::vector<int>{0});
  }
}

TEST(ExecutorOnAnEmulatedDevice, GivesTheSameRowsForEveryKindAndSchedule) {
  for (const ExecutorKind& kind : executor_kinds()) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const auto device = make_emulated(seed);
      Rig rig(kind, 2, device);
      for (int32_t id = 0; id < 12; ++id) {
        Slot* slot = rig.executor().acquire();
        if (slot == nullptr) {
          slot = rig.wait_completed();
          const Task done = slot->input.task;
          Texts texts;
          for (const auto& request : slot->batch.requests) texts.push_back(request.ids);
          EXPECT_EQ(values_of(*slot), test::expected_rows(texts, done));
          rig.executor().release(slot);
          slot = rig.executor().acquire();
        }
        rig.start(slot, {{id, id + 1, id + 2}, {id}}, id % 3 == 0 ? Task::kHidden : Task::kEmbed);
      }
      rig.destroy_executor();
      for (const Status& violation : device->violations()) ADD_FAILURE() << violation.message();
    }
  }
}

struct FaultCase {
  const char* name;
  EmulatedFaults faults;  // what fails the second of three batches
};

TEST(ExecutorOnAnEmulatedDevice, AFaultFailsItsOwnBatchAlone) {
  const FaultCase cases[] = {
      {"copy in", {.copy = EmulatedFault{.nth = 2, .name = "copy_to_device"}}},
      {"model", {.launch = EmulatedFault{.nth = 2, .name = "embedding_sum"}}},
      {"head", {.launch = EmulatedFault{.nth = 2, .name = "pooling"}}},
      {"copy out", {.copy = EmulatedFault{.nth = 2, .name = "copy_to_host"}}},
  };
  for (const ExecutorKind& kind : executor_kinds()) {
    for (const FaultCase& fault : cases) {
      SCOPED_TRACE(std::string(kind.name) + ", " + fault.name);
      const auto device = make_emulated(7);
      Rig rig(kind, 1, device);
      device->set_faults(fault.faults);
      std::vector<StatusCode> codes;
      const auto finish_one = [&] {
        Slot* const slot = rig.wait_completed();
        codes.push_back(slot->output().status.code());
        const Texts texts = {slot->batch.requests.front().ids};
        if (slot->output().status.ok()) {
          EXPECT_EQ(values_of(*slot), test::expected_rows(texts, Task::kEmbed));
        }
        rig.executor().release(slot);
      };
      for (int32_t id = 1; id <= 3; ++id) {
        if (rig.executor().in_flight() == kind.slots_per_worker) finish_one();
        rig.start(rig.executor().acquire(), {{id, 20 + id}});
      }
      while (rig.executor().in_flight() > 0) finish_one();
      EXPECT_EQ(codes, (std::vector{StatusCode::kOk, StatusCode::kDeviceError, StatusCode::kOk}));
    }
  }
}

TEST(ExecutorOnAnEmulatedDevice, DestructionCompletesWhatIsInFlight) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto device = make_emulated(seed);
    Rig rig(kind_of("double_buffer"), 2, device);
    const uint64_t before = rig.signal().epoch();
    for (int32_t id = 0; id < 4; ++id) rig.start(rig.executor().acquire(), {{id}});
    rig.destroy_executor();
    EXPECT_EQ(rig.signal().epoch() - before, 4u);
    EXPECT_EQ(device->violations().size(), 0u);
    EXPECT_EQ(device->stats().host_bytes, 0u);
  }
}

TEST(WorkerOnAnEmulatedDevice, SlotsThatDoNotFitAreRefused) {
  const auto device = make_emulated(0, 16384);
  const ops::OpTable& ops = *ops::choose_op_table("emulated").value();
  auto runner =
      Runner::create({.model = test::load_table_model(device, ops),
                      .ops = &ops,
                      .device = device,
                      .limits = {.shard = {.tokens = 16, .sequences = 4, .max_length = 16}}});
  ASSERT_TRUE(runner.ok()) << runner.status().message();
  const auto worker = Worker::create({.device = device,
                                      .slots = 2,
                                      .max_batch_tokens = 2000,
                                      .max_batch_requests = 4,
                                      .completed = [](Slot*) {}},
                                     std::move(runner).value());
  EXPECT_EQ(worker.status().code(), StatusCode::kResourceExhausted);
}

// plan_memory counts on it.
TEST(WorkerOnAnEmulatedDevice, ASlotTakesTheBytesThatWerePlanned) {
  const auto device = make_emulated(0);
  const ops::OpTable& ops = *ops::choose_op_table("emulated").value();
  auto runner =
      Runner::create({.model = test::load_table_model(device, ops),
                      .ops = &ops,
                      .device = device,
                      .limits = {.shard = {.tokens = 16, .sequences = 4, .max_length = 16}}})
          .value();
  const EmulatedStats before = device->stats();
  const size_t planned = Worker::slot_bytes(100, 4, runner->max_output_floats(100, 4));
  const auto worker = Worker::create({.device = device,
                                      .slots = 2,
                                      .max_batch_tokens = 100,
                                      .max_batch_requests = 4,
                                      .completed = [](Slot*) {}},
                                     std::move(runner))
                          .value();
  const EmulatedStats after = device->stats();
  EXPECT_EQ(after.device_bytes + after.host_bytes - before.device_bytes - before.host_bytes,
            2 * planned);
}

}  // namespace
}  // namespace wde::execution
