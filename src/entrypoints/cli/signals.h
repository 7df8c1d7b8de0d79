// SIGINT and SIGTERM as calls on a thread of their own instead of handlers, which could touch
// almost nothing. One per process, made in main() before any other thread, so that every thread
// inherits the blocked mask.
#pragma once

#include <functional>
#include <mutex>
#include <thread>

namespace wde::cli {

class SignalWatch {
 public:
  // Blocks SIGINT and SIGTERM in this thread and those it starts, ignores SIGPIPE (a write fails
  // instead), and starts the watching thread.
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  // What the first signal does, on the watching thread; it must not block. Unset: exit at once with
  // 128 + signal, which is also what every later signal does.
  void on_signal(std::function<void(int signal)> action);

 private:
  void watch();

  int signals_ = -1;  // signalfd
  int quit_ = -1;     // eventfd
  std::mutex mutex_;
  std::function<void(int)> action_;
  std::thread thread_;
};

// An event that a poll() can wait for. Thread-safe.
class StopEvent {
 public:
  StopEvent();
  ~StopEvent();
  StopEvent(const StopEvent&) = delete;
  StopEvent& operator=(const StopEvent&) = delete;

  void set();
  // Blocks until `descriptor` can be read (true) or the event is set (false).
  bool wait_readable(int descriptor) const;

 private:
  int event_ = -1;
};

}  // namespace wde::cli
