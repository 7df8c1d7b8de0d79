// How many batches are in flight, and how their work is laid onto streams. The engine thread's view
// of the workers: free slots to fill, completed ones to empty.
//   simple         one batch at a time a worker, in one stream
//   double_buffer  two a worker: while batch n computes, n+1 is scheduled, built and copied in,
//                  and n-1 is copied out and answered
// Both give the same bits.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "base/signal.h"
#include "execution/worker.h"

namespace wde::execution {

struct ExecutorKind {
  std::string_view name;
  std::string_view description;
  int slots_per_worker;
  bool separate_streams;
};
// Best first.
std::span<const ExecutorKind> executor_kinds();
// By name; empty means the first. Errors: kInvalidArgument listing the known ones.
Result<const ExecutorKind*> choose_executor(std::string_view name);

// All methods on the engine thread.
class Executor {
 public:
  // `make_worker` is called with the options of each of `workers` workers (the completion callback
  // filled in). `signal` is notified whenever a batch completes. Errors: those of make_worker.
  using MakeWorker =
      std::function<Result<std::unique_ptr<Worker>>(int index, Worker::Options options)>;
  static Result<std::unique_ptr<Executor>> create(const ExecutorKind& kind, int workers,
                                                  Signal* signal, const MakeWorker& make_worker);
  ~Executor();

  // A slot to fill, of the worker with the fewest batches in flight, rather of one that has no long
  // text; null when all are in flight.
  Slot* acquire();
  // Whether the slot's worker has a long text in flight: its arenas hold no second one.
  bool computes_long_text(const Slot& slot) { return state_of(slot).long_texts > 0; }
  void start(Slot* slot);
  // A slot whose batch is done, in the order of completion; null when there is none now. Release it
  // when answered.
  Slot* completed();
  void release(Slot* slot);

  int in_flight() const { return in_flight_; }

 private:
  Executor() = default;

  struct WorkerState {
    std::unique_ptr<Worker> worker;
    std::vector<Slot*> free;
    int in_flight = 0;
    int long_texts = 0;  // of those
  };
  WorkerState& state_of(const Slot& slot);

  Signal* signal_ = nullptr;
  std::mutex mutex_;  // guards completed_, which the devices' threads fill
  std::vector<Slot*> completed_;
  std::vector<WorkerState> workers_;  // destroyed before what their callbacks use
  int in_flight_ = 0;
};

}  // namespace wde::execution
