// Counts what still uses the server: its connections and the replies that routes hold.
// Server::wait() ends when nothing is left. Thread-safe.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

namespace wde::http {

class LiveCount {
 public:
  void enter() {
    const std::lock_guard lock(mutex_);
    ++count_;
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    --count_;
    changed_.notify_all();
  }
  // Nothing new will come once the count is zero.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  // Blocks until closed and zero.
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ && count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
  bool closed_ = false;
};

// Something that counts, for as long as it lives.
class LiveToken {
 public:
  explicit LiveToken(std::shared_ptr<LiveCount> count) : count_(std::move(count)) {
    count_->enter();
  }
  ~LiveToken() { count_->leave(); }
  LiveToken(const LiveToken&) = delete;
  LiveToken& operator=(const LiveToken&) = delete;

 private:
  const std::shared_ptr<LiveCount> count_;
};

}  // namespace wde::http
