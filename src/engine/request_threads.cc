#include "engine/request_threads.h"

namespace wde::engine {

RequestThreads::RequestThreads(int threads, std::function<void(AcceptedRequest)> process)
    : process_(std::move(process)) {
  try {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
  } catch (...) {
    end();
    throw;
  }
}

RequestThreads::~RequestThreads() { end(); }

void RequestThreads::end() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void RequestThreads::push(AcceptedRequest request) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(request));
  }
  wake_.notify_one();
}

void RequestThreads::run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    AcceptedRequest request = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    process_(std::move(request));
  }
}

}  // namespace wde::engine
