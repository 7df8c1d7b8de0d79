// One device thread and what it needs to compute batches: slots (a batch's buffers on both sides),
// streams, events and the runner. The device thread only enqueues: copy in, compute, copy out; of a
// long text, chunk by chunk, and between two chunks it enqueues another batch that waits. It
// allocates nothing: what a batch needs was made with its slot or by start().
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "execution/fair_share.h"
#include "execution/runner.h"
#include "schema/schema.h"

namespace wde::execution {

class Worker;

// The place of one batch in flight. The engine thread owns it from acquisition to start() and again
// from completion to release; in between it is the worker's.
class Slot {
 public:
  schema::Batch batch;
  schema::ModelInput input;

  std::span<int32_t> host_block();  // where the builder writes
  // The answer, once completed; valid until the slot is released.
  schema::RawOutput output() const;
  Worker& worker() const { return *worker_; }

 private:
  friend class Worker;
  Worker* worker_ = nullptr;
  Storage host_block_, device_block_, host_output_, device_output_;
  std::unique_ptr<Event> copied_in_, computed_;
  std::shared_ptr<ErrorScope> scope_;
  std::vector<OutputPart> parts_;
  Clock::time_point begin_;
};

class Worker {
 public:
  struct Options {
    std::shared_ptr<Device> device;
    int slots = 1;
    int core = -1;  // pin the device thread to this core, or -1
    // One stream each for copying in, computing and copying out, ordered by events; else one for
    // all three.
    bool separate_streams = false;
    int64_t max_batch_tokens = 0;
    int64_t max_batch_requests = 0;
    // Called when a slot's batch is done or failed, on a thread of the device's choosing; must not
    // block.
    std::function<void(Slot*)> completed;
  };
  // Errors: kResourceExhausted with the numbers.
  static Result<std::unique_ptr<Worker>> create(Options options, std::unique_ptr<Runner> runner);
  // Waits for what was started.
  ~Worker();

  std::vector<Slot*> slots();
  // Hands the slot's batch to the device thread. Returns at once.
  void start(Slot* slot);

  // Device and host memory of the slots' buffers for these limits.
  static size_t slot_bytes(int64_t max_batch_tokens, int64_t max_batch_requests,
                           int64_t output_floats);

 private:
  Worker(Options options, std::unique_ptr<Runner> runner);
  Status make_slots();
  void device_thread();
  void enqueue(Slot* slot);
  void compute(Slot* slot);
  // Enqueues the batch that waits for the device thread, if there is one and it is no long text.
  void let_one_pass(const Slot& long_text, FairShare* share);
  Slot* next_to_pass();
  Slot* take_started();  // mutex_ is held; there is one
  // Work enqueued from now on belongs to the slot's batch.
  void enter_scope(const Slot& slot);

  Options options_;
  std::unique_ptr<Runner> runner_;
  std::unique_ptr<Stream> streams_[3];
  Stream* copy_in_ = nullptr;
  Stream* compute_ = nullptr;
  Stream* copy_out_ = nullptr;
  std::vector<std::unique_ptr<Slot>> slots_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Slot*> started_;  // in that order
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace wde::execution
