// The request threads: what clients submitted is prompted, tokenized and truncated here, in
// parallel and off the engine thread, in the order of arrival.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "schema/schema.h"

namespace wde::engine {

// A request that was accepted and not processed yet.
struct AcceptedRequest {
  Request request;
  schema::SchedulableRequest schedulable;
};

// Thread-safe. Unbounded itself: the engine bounds what it accepts.
class RequestThreads {
 public:
  // `process` runs on `threads` threads at once.
  RequestThreads(int threads, std::function<void(AcceptedRequest)> process);
  // Processes what was pushed, then ends the threads.
  ~RequestThreads();

  void push(AcceptedRequest request);

 private:
  void run();
  void end();

  const std::function<void(AcceptedRequest)> process_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<AcceptedRequest> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace wde::engine
