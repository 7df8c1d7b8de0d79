// The emulated device's one thread: runs the operations of all streams, one at a time, always at
// random among the streams whose next operation can run. Thread-safe; must not know what the
// operations do.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

namespace wde::emulated {

using Random = std::mt19937_64;

enum class StepResult { kGoesOn, kDone };

// Owned by the queue; step() and the destructor run on the device thread.
class Operation {
 public:
  virtual ~Operation() = default;
  // False while it waits for another stream's operation.
  virtual bool can_run() const { return true; }
  // One turn of it. Called without any lock held.
  virtual StepResult step(Random& random) = 0;
};

// One stream's operations, first in, first out. Belongs to the scheduler's mutex.
struct StreamQueue {
  std::deque<std::unique_ptr<Operation>> operations;
  uint64_t enqueued = 0;
  uint64_t finished = 0;
};

class Scheduler {
 public:
  explicit Scheduler(uint64_t seed);
  // All queues must have been removed.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  std::shared_ptr<StreamQueue> add_queue();
  // Waits until the queue is empty.
  void remove_queue(const std::shared_ptr<StreamQueue>& queue);
  void enqueue(StreamQueue& queue, std::unique_ptr<Operation> operation);
  // Blocks until everything enqueued so far is finished and destroyed.
  void drain(StreamQueue& queue);

 private:
  void loop();
  void linger();
  StreamQueue* pick();
  void turn(StreamQueue& queue, std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable work_;      // something was enqueued, or stop_
  std::condition_variable finished_;  // some queue's `finished` grew
  std::vector<std::shared_ptr<StreamQueue>> queues_;
  std::shared_ptr<StreamQueue> favourite_;
  bool stop_ = false;
  Random random_;  // of the device thread
  std::thread thread_;
};

}  // namespace wde::emulated
