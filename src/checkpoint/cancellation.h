// One flag that several download threads watch: the first failure stops the others.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace wde::checkpoint {

// Thread-safe.
class Cancellation {
 public:
  void cancel() {
    {
      const std::lock_guard lock(mutex_);
      cancelled_ = true;
    }
    changed_.notify_all();
  }

  bool cancelled() const {
    const std::lock_guard lock(mutex_);
    return cancelled_;
  }

  // Waits for the time or for cancel(), whichever comes first.
  void wait_for(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, time, [this] { return cancelled_; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool cancelled_ = false;
};

}  // namespace wde::checkpoint
