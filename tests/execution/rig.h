// An executor over the table model, batches that a test holds, and devices to run it on.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "execution/executor.h"
#include "table_model.h"
#include "tensor/device_registry.h"
#include "tensor/emulated_device.h"

namespace wde::execution::test {

inline const ExecutorKind& kind_of(std::string_view name) { return *choose_executor(name).value(); }

inline const PassLimits kLimits = {
    .shard = {.tokens = 16, .sequences = 4, .max_length = 16},
    .long_text = {.tokens = 16, .sequences = 1, .max_length = 16, .chunk_rows = 2}};

// An executor on a device of its own.
class Rig {
 public:
  Rig(const ExecutorKind& kind, int workers, std::shared_ptr<Device> device)
      : device_(std::move(device)), ops_(*ops::choose_op_table(device_->kind()).value()) {
    executor_ = create(kind, workers).value();
  }
  Rig(const ExecutorKind& kind, int workers) : Rig(kind, workers, create_device("cpu").value()) {}

  Executor& executor() { return *executor_; }
  Gate& gate() { return *gate_; }
  Signal& signal() { return signal_; }
  void destroy_executor() { executor_.reset(); }

  // Fills a slot and starts it; with chunk_rows, as a long text.
  void start(Slot* slot, const Texts& texts, Task task = Task::kEmbed, int64_t chunk_rows = 0) {
    for (const auto& text : texts) {
      schema::SchedulableRequest request;
      request.ids = text;
      slot->batch.requests.push_back(std::move(request));
    }
    slot->input = pack(texts, task, slot->host_block());
    slot->input.chunk_rows = chunk_rows;
    executor_->start(slot);
  }

  // The next completed slot; waits for it.
  Slot* wait_completed() {
    for (;;) {
      const uint64_t seen = signal_.epoch();
      if (Slot* slot = executor_->completed()) return slot;
      signal_.wait(seen);
    }
  }

 private:
  Result<std::unique_ptr<Executor>> create(const ExecutorKind& kind, int workers) {
    const auto model =
        load_table_model(device_, ops_,
                         {.computed = [gate = gate_](int32_t first_id) { gate->pass(first_id); },
                          .enqueued = [gate = gate_](int64_t row) { gate->pass_row(row); }});
    const auto make_worker = [&](int, Worker::Options options) -> Result<std::unique_ptr<Worker>> {
      options.device = device_;
      options.max_batch_tokens = 16;
      options.max_batch_requests = 4;
      auto runner =
          Runner::create({.model = model, .ops = &ops_, .device = device_, .limits = kLimits});
      return Worker::create(std::move(options), std::move(runner).value());
    };
    return Executor::create(kind, workers, &signal_, make_worker);
  }

  std::shared_ptr<Device> device_;
  const ops::OpTable& ops_;
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  Signal signal_;
  std::unique_ptr<Executor> executor_;
};

inline std::vector<float> values_of(const Slot& slot) {
  const schema::RawOutput output = slot.output();
  EXPECT_TRUE(output.status.ok()) << output.status.message();
  return {output.parts.front().values.begin(), output.parts.front().values.end()};
}

// A device that works late and in another order, and on which copies and launches can fail.
inline std::shared_ptr<EmulatedDevice> make_emulated(uint64_t seed, size_t memory_bytes = 1 << 20) {
  return create_emulated_device({.seed = seed, .memory_bytes = memory_bytes}).value();
}

}  // namespace wde::execution::test
