// Lets one thread wait until something it watches may have changed, without missing a change in
// between.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace wde {

// Thread-safe.
class Signal {
 public:
  // The current epoch: take it before looking at what is watched.
  uint64_t epoch() const {
    const std::lock_guard lock(mutex_);
    return epoch_;
  }
  void notify() {
    {
      const std::lock_guard lock(mutex_);
      ++epoch_;
    }
    changed_.notify_all();
  }
  // Blocks until notify() was called after `seen` was taken.
  void wait(uint64_t seen) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return epoch_ != seen; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t epoch_ = 0;
};

}  // namespace wde
