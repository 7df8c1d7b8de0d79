// Each promise of the emulated device, by breaking it.
#include "tensor/emulated_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <latch>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tensor/kernels.h"

namespace wde {
namespace {

using test::increment;
using test::kernel;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::shared_ptr<EmulatedDevice> make_device(EmulatedOptions options = {}) {
  return create_emulated_device(std::move(options)).value();
}

// A kernel that holds the whole device back until the latch opens.
std::unique_ptr<HostKernel> gate(std::latch& latch) {
  return kernel("gate", {}, [&latch](const auto&) { latch.wait(); });
}

std::byte* at(const Storage& storage, size_t offset) {
  return static_cast<std::byte*>(storage.data()) + offset;
}

class EmulatedDeviceTest : public testing::Test {
 protected:
  // The status of one operation under a scope of its own.
  template <class Enqueue>
  Status fate(const Enqueue& enqueue) {
    stream->set_error_scope(std::make_shared<ErrorScope>());
    enqueue();
    return stream->synchronize();
  }

  std::shared_ptr<EmulatedDevice> device = make_device();
  std::unique_ptr<Stream> stream = device->create_stream();
  Storage data = device->allocate(256).value();
  Storage host = device->allocate_host(256).value();
};

TEST_F(EmulatedDeviceTest, HostCodeCannotDereferenceItsAddresses) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH({ *static_cast<volatile char*>(data.data()) = 1; }, "");
  EXPECT_FALSE(device->host_addressable());
}

TEST_F(EmulatedDeviceTest, RefusesHostPointersWhereDeviceAddressesBelong) {
  std::vector<std::byte> plain(64);
  const Status copy = fate([&] { stream->copy_to_device(host.data(), plain.data(), 64); });
  EXPECT_EQ(copy.code(), StatusCode::kDeviceError);
  EXPECT_THAT(copy.message(), AllOf(HasSubstr("copy_to_device on stream 1: destination"),
                                    HasSubstr("not an address of the emulated device")));
  const Status back = fate([&] { stream->copy_to_host(plain.data(), host.data(), 64); });
  EXPECT_THAT(back.message(), HasSubstr("copy_to_host on stream 1: source"));
  const Status launch = fate([&] { stream->launch(increment(plain.data(), 64)); });
  EXPECT_THAT(launch.message(), HasSubstr("launch of \"increment\" on stream 1: range 0"));
  const Status null = fate([&] { stream->launch(increment(nullptr, 64)); });
  EXPECT_EQ(null.code(), StatusCode::kDeviceError);
  EXPECT_THAT(device->violations(), SizeIs(4));
}

TEST_F(EmulatedDeviceTest, RefusesDeviceAddressesWhereHostPointersBelong) {
  const Storage other = device->allocate(64).value();
  const Status in = fate([&] { stream->copy_to_device(data.data(), other.data(), 64); });
  EXPECT_THAT(in.message(), HasSubstr("is a device address, not host memory"));
  const Status out = fate([&] { stream->copy_to_host(other.data(), data.data(), 64); });
  EXPECT_THAT(out.message(), HasSubstr("is a device address, not host memory"));
  const Status null = fate([&] { stream->copy_to_host(nullptr, data.data(), 64); });
  EXPECT_THAT(null.message(), HasSubstr("null"));
}

TEST_F(EmulatedDeviceTest, RefusesRangesThatLeaveTheirBlock) {
  const Storage neighbour = device->allocate(256).value();
  EXPECT_EQ(fate([&] { stream->copy_to_host(host.data(), at(data, 192), 64); }), Status());
  for (const size_t offset : {size_t{193}, size_t{256}, size_t{257}}) {
    EXPECT_FALSE(fate([&] { stream->copy_to_host(host.data(), at(data, offset), 64); }).ok());
  }
  EXPECT_THAT(fate([&] { stream->launch(increment(data.data(), 260)); }).message(),
              HasSubstr("leave their block of 256 bytes"));
  EXPECT_FALSE(fate([&] { stream->launch(increment(data.data(), SIZE_MAX)); }).ok());
  EXPECT_THAT(fate([&] { stream->copy_to_device(data.data(), at(host, 200), 64); }).message(),
              HasSubstr("leave their host block of 256 bytes"));
}

TEST_F(EmulatedDeviceTest, RefusesFreedAddressesForever) {
  Storage freed = device->allocate(64).value();
  void* const address = freed.data();
  freed = Storage();
  for (int i = 0; i < 10; ++i) {
    const Storage again = device->allocate(64).value();
    EXPECT_NE(again.data(), address);
    EXPECT_THAT(fate([&] { stream->launch(increment(address, 4)); }).message(),
                HasSubstr("freed or never allocated"));
  }
}

TEST_F(EmulatedDeviceTest, FreeingMemoryStillInUseIsARace) {
  std::latch open(1);
  stream->launch(gate(open));
  stream->launch(increment(data.data(), 256));
  data = Storage();
  EXPECT_THAT(device->violations(), SizeIs(1));
  open.count_down();
  EXPECT_THAT(stream->synchronize().message(),
              AllOf(HasSubstr("race: releasing the memory"), HasSubstr("launch of \"increment\"")));
}

TEST_F(EmulatedDeviceTest, FreshMemoryIsNotANumber) {
  float value = 0;
  stream->copy_to_host(&value, at(data, 128), sizeof(value));
  EXPECT_EQ(stream->synchronize(), Status());
  EXPECT_NE(value, value);
}

TEST_F(EmulatedDeviceTest, AHostBufferChangedTooEarlyIsFound) {
  std::latch open(1);
  stream->launch(gate(open));
  stream->call_when_reached([&] { static_cast<char*>(host.data())[17] = 1; });
  stream->copy_to_device(data.data(), host.data(), 256);
  open.count_down();
  EXPECT_THAT(stream->synchronize().message(),
              HasSubstr("copy_to_device on stream 1: the host changed the 256 bytes"));
  EXPECT_THAT(device->violations(), SizeIs(1));
}

TEST_F(EmulatedDeviceTest, WorkRunsAfterItWasEnqueued) {
  std::latch open(1);
  std::atomic<bool> ran{false};
  stream->launch(gate(open));
  stream->launch(kernel("late", {}, [&](const auto&) { ran = true; }));
  EXPECT_FALSE(ran);
  open.count_down();
  EXPECT_EQ(stream->synchronize(), Status());
  EXPECT_TRUE(ran);
}

TEST_F(EmulatedDeviceTest, CopiesAreSeenHalfDone) {
  // While a copy on one stream goes on, kernels of another one run in between and meet garbage in
  // its destination: over many seeds this must happen, and must be called a race each time.
  int garbage = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const auto each = make_device({.seed = seed});
    const Storage cell = each->allocate(4).value();
    const auto copies = each->create_stream(), kernels = each->create_stream();
    const int32_t zero = 0;
    copies->copy_to_device(cell.data(), &zero, 4);
    ASSERT_EQ(copies->synchronize(), Status());
    // Undeclared, so that the kernel runs in spite of the race.
    void* backing = nullptr;
    kernels->launch(kernel("peek", {{cell.data(), 4}},
                           [&](const auto& arguments) { backing = arguments[0].pointer; }));
    ASSERT_EQ(kernels->synchronize(), Status());
    std::latch open(1);
    copies->launch(gate(open));
    copies->copy_to_device(cell.data(), &zero, 4);
    for (int i = 0; i < 4; ++i) {
      kernels->launch(kernel(
          "look", {}, [&](const auto&) { garbage += *static_cast<int32_t*>(backing) == -1; }));
    }
    open.count_down();
    EXPECT_EQ(copies->synchronize(), Status());
    EXPECT_EQ(kernels->synchronize(), Status());
  }
  EXPECT_GT(garbage, 0);
}

TEST_F(EmulatedDeviceTest, StreamsReorderUnlessEventsForbid) {
  std::set<std::string> free_orders, bound_orders;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    for (const bool bound : {false, true}) {
      const auto each = make_device({.seed = seed});
      const auto a = each->create_stream(), b = each->create_stream();
      const auto event = each->create_event();
      std::latch open(1);
      std::string order;
      a->launch(gate(open));
      b->launch(gate(open));
      for (int i = 0; i < 2; ++i) {
        a->launch(kernel("a", {}, [&](const auto&) { order += 'a'; }));
      }
      if (bound) {
        a->record(*event);
        b->wait(*event);
      }
      for (int i = 0; i < 2; ++i) {
        b->launch(kernel("b", {}, [&](const auto&) { order += 'b'; }));
      }
      open.count_down();
      EXPECT_TRUE(a->synchronize().ok() && b->synchronize().ok());
      (bound ? bound_orders : free_orders).insert(order);
    }
  }
  EXPECT_EQ(bound_orders, std::set<std::string>{"aabb"});
  EXPECT_THAT(free_orders, testing::IsSupersetOf({"aabb", "bbaa", "abab", "abba"}));
}

TEST_F(EmulatedDeviceTest, WaitMeansTheRecordingLatestWhenItWasEnqueued) {
  const auto other = device->create_stream();
  const auto event = device->create_event(), answer = device->create_event();
  stream->record(*event);
  other->wait(*event);
  other->record(*answer);
  stream->wait(*answer);
  stream->record(*event);
  EXPECT_EQ(other->synchronize(), Status());  // each would wait for the other if it meant this one
  EXPECT_EQ(stream->synchronize(), Status());
}

enum class Ordering { kEvent, kDroppedEvent, kHost, kCallback, kNone };

// One stream writes what another reads; both also share a host buffer. Returns the violations.
std::vector<Status> produce_and_consume(uint64_t seed, Ordering ordering) {
  EmulatedOptions options{.seed = seed};
  if (ordering == Ordering::kDroppedEvent) options.faults.drop_wait = 1;
  const auto device = make_device(options);
  const Storage data = device->allocate(64).value();
  const Storage host = device->allocate_host(64).value();
  const auto producer = device->create_stream(), consumer = device->create_stream();
  const auto event = device->create_event();
  producer->copy_to_device(data.data(), host.data(), 64);
  switch (ordering) {
    case Ordering::kEvent:
    case Ordering::kDroppedEvent:
      producer->record(*event);
      consumer->wait(*event);
      break;
    case Ordering::kHost:
      EXPECT_EQ(producer->synchronize(), Status());
      break;
    case Ordering::kCallback: {
      std::latch reached(1);
      producer->call_when_reached([&] { reached.count_down(); });
      reached.wait();
      break;
    }
    case Ordering::kNone:
      break;
  }
  consumer->launch(increment(at(data, 60), 4));
  const Status status = consumer->synchronize();
  const Status produced = producer->synchronize();
  EXPECT_EQ(status.ok() && produced.ok(), device->violations().empty());
  return device->violations();
}

TEST(EmulatedOrder, AMissingEventIsFoundUnderEverySchedule) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    for (const Ordering missing : {Ordering::kNone, Ordering::kDroppedEvent}) {
      const std::vector<Status> violations = produce_and_consume(seed, missing);
      ASSERT_THAT(violations, SizeIs(1)) << seed;
      ASSERT_THAT(violations[0].message(),
                  AllOf(HasSubstr("race: launch of \"increment\" on stream 2"),
                        HasSubstr("copy_to_device on stream 1"), HasSubstr("4 bytes")));
    }
  }
}

TEST(EmulatedOrder, NoRaceIsSeenWhereThereIsNone) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    for (const Ordering present : {Ordering::kEvent, Ordering::kHost, Ordering::kCallback}) {
      ASSERT_THAT(produce_and_consume(seed, present), IsEmpty()) << seed;
    }
  }
}

TEST_F(EmulatedDeviceTest, HostBuffersRaceToo) {
  const auto other = device->create_stream();
  const Storage more = device->allocate(256).value();
  stream->copy_to_device(data.data(), host.data(), 256);
  other->copy_to_device(more.data(), host.data(), 256);  // two reads: no race
  EXPECT_THAT(device->violations(), IsEmpty());
  other->copy_to_host(at(host, 255), more.data(), 1);
  EXPECT_THAT(device->violations(), SizeIs(1));
  EXPECT_FALSE(other->synchronize().ok());
  EXPECT_EQ(stream->synchronize(), Status());
}

TEST_F(EmulatedDeviceTest, DisjointRangesOfOneBlockDoNotRace) {
  const auto other = device->create_stream();
  stream->launch(increment(at(data, 0), 64));
  other->launch(increment(at(data, 64), 64));
  stream->launch(increment(at(data, 128), 64));
  EXPECT_THAT(device->violations(), IsEmpty());
  other->launch(increment(at(data, 60), 8));
  EXPECT_THAT(device->violations(), SizeIs(1));
}

TEST_F(EmulatedDeviceTest, OrderIsTransitiveAndReadersCount) {
  const auto second = device->create_stream(), third = device->create_stream();
  const auto event = device->create_event();
  const auto read = [&] { return kernel("read", {{data.data(), 256}}, [](const auto&) {}); };
  stream->launch(increment(data.data(), 256));
  stream->record(*event);
  second->wait(*event);
  second->launch(read());
  second->record(*event);
  third->wait(*event);
  third->launch(increment(data.data(), 256));  // after both, through the second stream
  EXPECT_THAT(device->violations(), IsEmpty());
  stream->wait(*event);  // after the read, not after the third stream's write
  stream->launch(read());
  EXPECT_THAT(device->violations(), SizeIs(1));
}

TEST_F(EmulatedDeviceTest, AWriteMustWaitForEarlierReaders) {
  const auto other = device->create_stream();
  const auto event = device->create_event();
  stream->record(*event);
  stream->copy_to_host(host.data(), data.data(), 256);
  other->wait(*event);  // recorded before the read
  other->launch(increment(data.data(), 256));
  ASSERT_THAT(device->violations(), SizeIs(1));
  EXPECT_THAT(device->violations()[0].message(), HasSubstr("copy_to_host on stream 1"));
}

TEST_F(EmulatedDeviceTest, AFaultFailsItsScopeOnly) {
  device->set_faults({.copy = EmulatedFault{.nth = 2, .name = "copy_to_device"}});
  std::vector<std::shared_ptr<ErrorScope>> scopes;
  std::vector<int32_t> out(3, -7);
  for (size_t i = 0; i < out.size(); ++i) {
    scopes.push_back(std::make_shared<ErrorScope>());
    stream->set_error_scope(scopes.back());
    stream->copy_to_device(data.data(), host.data(), 4);
    stream->launch(increment(data.data(), 4));
    stream->copy_to_host(&out[i], data.data(), 4);
  }
  EXPECT_EQ(stream->synchronize(), Status());
  EXPECT_EQ(out, (std::vector<int32_t>{1, -7, 1}));
  EXPECT_TRUE(scopes[0]->status().ok() && scopes[2]->status().ok());
  EXPECT_EQ(scopes[1]->status().code(), StatusCode::kDeviceError);
  EXPECT_THAT(scopes[1]->status().message(), HasSubstr("copy_to_device on stream 1"));
  EXPECT_THAT(device->violations(), IsEmpty());
}

TEST_F(EmulatedDeviceTest, ALaunchFaultStrikesByNameAndCount) {
  device->set_faults({.launch = EmulatedFault{.nth = 2, .name = "b"}});
  std::string ran;
  for (const char* name : {"a", "b", "a", "b", "b"}) {
    stream->set_error_scope(std::make_shared<ErrorScope>());
    stream->launch(kernel(name, {}, [&ran, name](const auto&) { ran += name; }));
  }
  EXPECT_EQ(stream->synchronize(), Status());
  EXPECT_EQ(ran, "abab");
}

TEST_F(EmulatedDeviceTest, EventsAndCallbacksAreReachedInSpiteOfFailures) {
  device->set_faults({.launch = EmulatedFault{}});
  const auto other = device->create_stream();
  const auto event = device->create_event();
  std::atomic<bool> called{false};
  stream->launch(increment(data.data(), 4));
  stream->call_when_reached([&] { called = true; });
  stream->record(*event);
  other->wait(*event);
  EXPECT_EQ(other->synchronize(), Status());
  EXPECT_TRUE(called);
  EXPECT_FALSE(stream->synchronize().ok());
}

TEST(EmulatedMemory, RunsOutWithTheNumbers) {
  const auto device = make_device({.memory_bytes = 1000});
  Storage most = device->allocate(900).value();
  const Status status = device->allocate(101).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("101 bytes of memory asked for, 900 in use of 1000"));
  EXPECT_TRUE(device->allocate(100).ok());
  most = Storage();
  EXPECT_TRUE(device->allocate(1000).ok());
}

TEST(EmulatedMemory, AccountsForEveryByte) {
  const auto device = make_device();
  {
    const Storage data = device->allocate(123).value(), host = device->allocate_host(45).value();
    EXPECT_EQ(device->stats().device_bytes, 123u);
    EXPECT_EQ(device->stats().host_bytes, 45u);
  }
  EXPECT_EQ(device->stats().device_bytes, 0u);
  EXPECT_EQ(device->stats().host_bytes, 0u);
}

TEST_F(EmulatedDeviceTest, CountsWhatWasEnqueued) {
  const auto event = device->create_event();
  stream->copy_to_device(data.data(), host.data(), 4);
  stream->launch(increment(data.data(), 4));
  stream->launch(increment(data.data(), 4));
  stream->record(*event);
  stream->wait(*event);
  EXPECT_EQ(stream->synchronize(), Status());
  const EmulatedStats stats = device->stats();
  EXPECT_EQ(stats.copies, 1u);
  EXPECT_EQ(stats.launches, 2u);
  EXPECT_EQ(stats.waits, 1u);
}

TEST(EmulatedStreams, ManyHostThreadsEnqueueAtOnce) {
  const auto device = make_device();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const auto stream = device->create_stream();
      const Storage data = device->allocate(64).value(), host = device->allocate_host(64).value();
      for (int round = 0; round < 50; ++round) {
        std::memset(host.data(), 0, 64);
        stream->copy_to_device(data.data(), host.data(), 64);
        for (int i = 0; i < 4; ++i) stream->launch(increment(data.data(), 64));
        stream->copy_to_host(host.data(), data.data(), 64);
        EXPECT_EQ(stream->synchronize(), Status());
        EXPECT_EQ(static_cast<int32_t*>(host.data())[15], 4);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(device->violations(), IsEmpty());
}

TEST(EmulatedStreams, ADestroyedStreamHasFinishedItsWork) {
  const auto device = make_device();
  const Storage data = device->allocate(4).value();
  for (int i = 0; i < 100; ++i) device->create_stream()->launch(increment(data.data(), 4));
  EXPECT_THAT(device->violations(), IsEmpty());
}

}  // namespace
}  // namespace wde
