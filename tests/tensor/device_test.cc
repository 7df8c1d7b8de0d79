// What every device promises, on every device of the table; and the table itself.
#include "tensor/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "tensor/device_registry.h"
#include "tensor/kernels.h"

namespace wde {
namespace {

using test::increment;
using testing::Each;
using testing::HasSubstr;

class EveryDevice : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    Result<std::shared_ptr<Device>> created = create_device(GetParam());
    ASSERT_TRUE(created.ok()) << created.status().message();
    device = std::move(created).value();
    stream = device->create_stream();
  }
  static int32_t* ints(const Storage& storage) { return static_cast<int32_t*>(storage.data()); }

  std::shared_ptr<Device> device;
  std::unique_ptr<Stream> stream;
};

TEST_P(EveryDevice, HostMemoryIsZeroedAlsoWhereItWasUsedBefore) {
  for (const size_t bytes : {size_t{1000}, size_t{1} << 20, (size_t{5} << 20) + 12}) {
    for (int round = 0; round < 3; ++round) {
      const Storage host = device->allocate_host(bytes).value();
      auto* data = static_cast<uint8_t*>(host.data());
      EXPECT_EQ(std::count(data, data + bytes, 0), static_cast<std::ptrdiff_t>(bytes));
      std::fill_n(data, bytes, uint8_t{7});
    }
  }
}

TEST_P(EveryDevice, RunsAStreamInOrder) {
  constexpr size_t kCount = 1000, kBytes = kCount * sizeof(int32_t);
  const Storage data = device->allocate(kBytes).value();
  const Storage host = device->allocate_host(kBytes).value();
  EXPECT_THAT(std::vector<int32_t>(ints(host), ints(host) + kCount), Each(0));
  stream->copy_to_device(data.data(), host.data(), kBytes);
  for (int i = 0; i < 5; ++i) stream->launch(increment(data.data(), kBytes));
  stream->copy_to_host(host.data(), data.data(), kBytes);
  EXPECT_EQ(stream->synchronize(), Status());
  EXPECT_THAT(std::vector<int32_t>(ints(host), ints(host) + kCount), Each(5));
}

TEST_P(EveryDevice, OrdersStreamsByEvents) {
  const Storage data = device->allocate(4).value();
  const Storage host = device->allocate_host(4).value();
  const auto other = device->create_stream();
  const auto event = device->create_event();
  stream->copy_to_device(data.data(), host.data(), 4);
  for (int i = 0; i < 10; ++i) {
    Stream& from = i % 2 == 0 ? *stream : *other;
    Stream& to = i % 2 == 0 ? *other : *stream;
    from.record(*event);
    to.wait(*event);
    to.launch(increment(data.data(), 4));
  }
  stream->copy_to_host(host.data(), data.data(), 4);
  EXPECT_EQ(stream->synchronize(), Status());
  EXPECT_EQ(ints(host)[0], 10);
}

TEST_P(EveryDevice, AFailedScopeSkipsItsOwnWorkOnly) {
  const Storage data = device->allocate(4).value();
  const Storage host = device->allocate_host(4).value();
  const auto failed = std::make_shared<ErrorScope>();
  const auto good = std::make_shared<ErrorScope>();
  stream->set_error_scope(good);
  stream->copy_to_device(data.data(), host.data(), 4);
  stream->set_error_scope(failed);
  failed->fail(device_error("first"));
  failed->fail(device_error("second"));
  stream->launch(increment(data.data(), 4));
  EXPECT_EQ(stream->synchronize().message(), "first");
  stream->set_error_scope(good);
  stream->copy_to_host(host.data(), data.data(), 4);
  EXPECT_EQ(stream->synchronize(), Status());
  EXPECT_EQ(ints(host)[0], 0);
}

TEST_P(EveryDevice, CallsBackAfterFailuresToo) {
  const auto failed = std::make_shared<ErrorScope>();
  failed->fail(device_error("gone"));
  stream->set_error_scope(failed);
  stream->launch(test::kernel("skipped", {}, [](const auto&) { ADD_FAILURE(); }));
  std::atomic<int> called{0};
  stream->call_when_reached([&] { ++called; });
  EXPECT_FALSE(stream->synchronize().ok());
  EXPECT_EQ(called, 1);
}

TEST_P(EveryDevice, MovedFromStorageOwnsNothing) {
  const size_t before = device->memory().free_bytes;
  Storage first = device->allocate(1 << 20).value();
  EXPECT_EQ(device->memory().free_bytes, before - (1 << 20));
  Storage second = std::move(first);
  EXPECT_EQ(first.data(), nullptr);
  second = device->allocate(64).value();
  EXPECT_EQ(device->memory().free_bytes, before - 64);
  second = Storage();
  EXPECT_EQ(device->memory().free_bytes, before);
}

TEST_P(EveryDevice, AlignsItsMemory) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{63}, size_t{3} << 20}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(device->allocate(size).value().data()) % 64, 0u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(device->allocate_host(size).value().data()) % 64, 0u);
  }
}

TEST_P(EveryDevice, SaysTheNumbersWhenMemoryIsShort) {
  const MemoryInfo memory = device->memory();
  const Storage some = device->allocate(4096).value();
  const Result<Storage> storage = device->allocate(memory.total_bytes);
  ASSERT_EQ(storage.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(storage.status().message(), HasSubstr(std::to_string(memory.total_bytes) + " bytes"));
  EXPECT_THAT(storage.status().message(), HasSubstr("4096 in use"));
  EXPECT_EQ(device->memory().free_bytes, memory.free_bytes - 4096);
  EXPECT_EQ(device->allocate(SIZE_MAX).status().code(), StatusCode::kResourceExhausted);
}

INSTANTIATE_TEST_SUITE_P(Table, EveryDevice, testing::Values("cpu", "emulated"),
                         [](const auto& test) { return test.param; });

TEST(DeviceRegistry, EveryEntryIsNamedAfterWhatItCreates) {
  for (const DeviceEntry& entry : device_entries()) {
    if (!entry.refusal().empty()) continue;
    const std::shared_ptr<Device> device = entry.create().value();
    EXPECT_EQ(device->name(), entry.name);
    EXPECT_EQ(create_device(entry.name).value()->kind(), device->kind());
  }
}

TEST(DeviceRegistry, AutoPicksForProductionOnly) {
  const std::shared_ptr<Device> device = create_device("auto").value();
  for (const DeviceEntry& entry : device_entries()) {
    const bool chosen = entry.name == device->name();
    EXPECT_FALSE(chosen && entry.use == DeviceUse::kTests);
  }
}

TEST(DeviceRegistry, UnknownNameListsTheKnown) {
  const Status status = create_device("tpu").status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("\"tpu\""));
  EXPECT_THAT(status.message(), HasSubstr("auto, cpu, emulated"));
}

}  // namespace
}  // namespace wde
