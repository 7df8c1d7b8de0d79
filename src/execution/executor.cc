#include "execution/executor.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace wde::execution {
namespace {

constexpr ExecutorKind kKinds[] = {
    {"double_buffer", "two batches in flight: copies and CPU work overlap the computation", 2,
     true},
    {"simple", "one batch at a time: schedule, build, copy in, compute, copy out, answer", 1,
     false},
};

}  // namespace

std::span<const ExecutorKind> executor_kinds() { return kKinds; }

Result<const ExecutorKind*> choose_executor(std::string_view name) {
  std::vector<std::string_view> known;
  for (const ExecutorKind& kind : kKinds) {
    if (name.empty() || kind.name == name) return &kind;
    known.push_back(kind.name);
  }
  return invalid_argument_error("unknown executor \"{}\"; there are: {}", name,
                                fmt::join(known, ", "));
}

Result<std::unique_ptr<Executor>> Executor::create(const ExecutorKind& kind, int workers,
                                                   Signal* signal, const MakeWorker& make_worker) {
  std::unique_ptr<Executor> executor(new Executor());
  executor->signal_ = signal;
  for (int i = 0; i < workers; ++i) {
    Worker::Options options;
    options.slots = kind.slots_per_worker;
    options.separate_streams = kind.separate_streams;
    options.completed = [raw = executor.get()](Slot* slot) {
      {
        const std::lock_guard lock(raw->mutex_);
        raw->completed_.push_back(slot);
      }
      raw->signal_->notify();
    };
    WDE_ASSIGN_OR_RETURN(std::unique_ptr<Worker> worker, make_worker(i, std::move(options)));
    std::vector<Slot*> slots = worker->slots();
    executor->workers_.push_back({.worker = std::move(worker), .free = std::move(slots)});
  }
  return executor;
}

Executor::~Executor() { workers_.clear(); }

Slot* Executor::acquire() {
  WorkerState* best = nullptr;
  const auto load = [](const WorkerState& state) {
    return std::pair(state.in_flight, state.long_texts);
  };
  for (WorkerState& state : workers_) {
    if (!state.free.empty() && (best == nullptr || load(state) < load(*best))) best = &state;
  }
  if (best == nullptr) return nullptr;
  Slot* slot = best->free.back();
  best->free.pop_back();
  return slot;
}

void Executor::start(Slot* slot) {
  WorkerState& state = state_of(*slot);
  ++state.in_flight;
  if (slot->input.chunk_rows > 0) ++state.long_texts;
  ++in_flight_;
  slot->worker().start(slot);
}

Slot* Executor::completed() {
  Slot* slot = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (completed_.empty()) return nullptr;
    slot = completed_.front();
    completed_.erase(completed_.begin());
  }
  WorkerState& state = state_of(*slot);
  --state.in_flight;
  if (slot->input.chunk_rows > 0) --state.long_texts;
  --in_flight_;
  return slot;
}

void Executor::release(Slot* slot) {
  slot->batch = {};
  state_of(*slot).free.push_back(slot);
}

Executor::WorkerState& Executor::state_of(const Slot& slot) {
  const auto found = std::find_if(workers_.begin(), workers_.end(), [&](const WorkerState& state) {
    return state.worker.get() == &slot.worker();
  });
  WDE_CHECK(found != workers_.end());
  return *found;
}

}  // namespace wde::execution
