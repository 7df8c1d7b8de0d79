// The te_request_* families of /metrics: what the server knows of whole requests; the engine counts
// the inputs in them. Thread-safe.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/status.h"

namespace wde::metrics {

// Where the time of a request went; for a batch, the mean over its inputs.
struct RequestTimes {
  std::chrono::nanoseconds total{};
  std::chrono::nanoseconds tokenization{};
  std::chrono::nanoseconds queue{};
  std::chrono::nanoseconds inference{};
};

class ServerCounters {
 public:
  enum class Method { kSingle, kBatch };

  ServerCounters();
  ~ServerCounters();

  void count_request(Method method);
  void count_success(Method method, const RequestTimes& times);
  void count_failure(const Status& status);
  void count_batch_size_failure();
  void count_overloaded();

  // Prometheus text exposition.
  std::string text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace wde::metrics
