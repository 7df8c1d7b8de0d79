#include "tensor/emulated/scheduler.h"

#include <utility>

#include "base/status.h"

namespace wde::emulated {
namespace {

bool can_run(const StreamQueue& queue) {
  return !queue.operations.empty() && queue.operations.front()->can_run();
}

}  // namespace

Scheduler::Scheduler(uint64_t seed) : random_(seed), thread_([this] { loop(); }) {}

Scheduler::~Scheduler() {
  {
    const std::lock_guard lock(mutex_);
    WDE_CHECK(queues_.empty());
    WDE_CHECK(std::this_thread::get_id() !=
              thread_.get_id());  // a callback held the last reference
    stop_ = true;
  }
  work_.notify_one();
  thread_.join();
}

std::shared_ptr<StreamQueue> Scheduler::add_queue() {
  const std::lock_guard lock(mutex_);
  return queues_.emplace_back(std::make_shared<StreamQueue>());
}

void Scheduler::remove_queue(const std::shared_ptr<StreamQueue>& queue) {
  drain(*queue);
  const std::lock_guard lock(mutex_);
  std::erase(queues_, queue);
  if (favourite_ == queue) favourite_.reset();
}

void Scheduler::enqueue(StreamQueue& queue, std::unique_ptr<Operation> operation) {
  {
    const std::lock_guard lock(mutex_);
    queue.operations.push_back(std::move(operation));
    ++queue.enqueued;
  }
  work_.notify_one();
}

void Scheduler::drain(StreamQueue& queue) {
  WDE_CHECK(std::this_thread::get_id() != thread_.get_id());  // it would wait for itself
  std::unique_lock lock(mutex_);
  const uint64_t target = queue.enqueued;
  finished_.wait(lock, [&] { return queue.finished >= target; });
}

void Scheduler::loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    StreamQueue* queue = nullptr;
    work_.wait(lock, [&] { return (queue = pick()) != nullptr || stop_; });
    if (queue == nullptr) return;
    lock.unlock();
    linger();
    lock.lock();
    queue = pick();  // again, among what came in meanwhile
    if (queue != nullptr) turn(*queue, lock);
  }
}

// Often lets the host go first, so that work runs late.
void Scheduler::linger() {
  for (uint64_t turns = random_() % 4; turns > 0; --turns) std::this_thread::yield();
}

// A stream whose next operation can run, or null. For a while one stream is preferred, so that
// streams not only alternate but also overtake each other by far.
StreamQueue* Scheduler::pick() {
  std::vector<const std::shared_ptr<StreamQueue>*> ready;
  for (const auto& queue : queues_) {
    if (can_run(*queue)) ready.push_back(&queue);
  }
  if (ready.empty()) return nullptr;
  const auto& any = *ready[random_() % ready.size()];
  if (random_() % 16 == 0) favourite_ = any;
  const bool prefer = random_() % 8 != 0 && favourite_ != nullptr && can_run(*favourite_);
  return prefer ? favourite_.get() : any.get();
}

void Scheduler::turn(StreamQueue& queue, std::unique_lock<std::mutex>& lock) {
  Operation& operation = *queue.operations.front();
  lock.unlock();
  const StepResult result = operation.step(random_);
  lock.lock();
  if (result == StepResult::kGoesOn) return;
  std::unique_ptr<Operation> done = std::move(queue.operations.front());
  queue.operations.pop_front();
  lock.unlock();
  done.reset();
  lock.lock();
  ++queue.finished;
  finished_.notify_all();
}

}  // namespace wde::emulated
