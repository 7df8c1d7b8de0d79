#include "entrypoints/cli/measure.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <utility>

namespace wde::cli {
namespace {

// Counts what is under way and keeps what callbacks report. Outlives every callback: wait_below(1)
// is the last thing that is done with it.
class Loop {
 public:
  explicit Loop(size_t requests) { latencies_ms_.reserve(requests); }

  void begin() {
    const std::lock_guard lock(mutex_);
    ++in_flight_;
  }
  void end(Clock::time_point submitted, const Result<Response>& response) {
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - submitted).count();
    const std::lock_guard lock(mutex_);
    if (response.ok()) {
      latencies_ms_.push_back(ms);
      tokens_ += static_cast<uint64_t>(response->tokens);
    } else if (error_.ok()) {
      error_ = response.status();
    }
    --in_flight_;
    room_.notify_one();
  }
  // False once a request has failed.
  bool wait_below(size_t limit) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return in_flight_ < limit; });
    return error_.ok();
  }

  const Status& error() const { return error_; }
  const std::vector<double>& latencies_ms() const { return latencies_ms_; }
  uint64_t tokens() const { return tokens_; }

 private:
  std::mutex mutex_;
  std::condition_variable room_;
  size_t in_flight_ = 0;
  std::vector<double> latencies_ms_;
  uint64_t tokens_ = 0;
  Status error_;
};

}  // namespace

double quantile(std::vector<double> values, double q) {
  WDE_CHECK(!values.empty());
  const double rank = std::ceil(q * static_cast<double>(values.size()));
  const size_t index = std::clamp<size_t>(static_cast<size_t>(rank), 1, values.size()) - 1;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(index),
                   values.end());
  return values[index];
}

Spread spread(const std::vector<double>& values) {
  WDE_CHECK(!values.empty());
  std::vector<double> ascending = values;
  std::sort(ascending.begin(), ascending.end());
  const double median =
      (ascending[(ascending.size() - 1) / 2] + ascending[ascending.size() / 2]) / 2;
  return {ascending.front(), median, ascending.back()};
}

Result<Sample> closed_loop(Engine& engine, std::span<const std::string> texts, size_t requests,
                           size_t in_flight) {
  Loop loop(requests);
  const Clock::time_point start = Clock::now();
  for (size_t i = 0; i < requests && loop.wait_below(in_flight); ++i) {
    Request request;
    request.input = texts[i % texts.size()];
    loop.begin();
    const Clock::time_point submitted = Clock::now();
    const Result<RequestId> accepted = engine.submit_when_room(
        std::move(request),
        [&loop, submitted](Result<Response> response) { loop.end(submitted, response); });
    if (!accepted.ok()) loop.end(submitted, accepted.status());
  }
  loop.wait_below(1);
  WDE_RETURN_IF_ERROR(loop.error());
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return Sample{static_cast<double>(requests) / seconds,
                static_cast<double>(loop.tokens()) / seconds, quantile(loop.latencies_ms(), 0.5),
                quantile(loop.latencies_ms(), 0.99)};
}

Result<std::vector<std::vector<float>>> embed_all(Engine& engine,
                                                  std::span<const std::string> texts) {
  std::vector<Request> requests(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) requests[i].input = texts[i];
  std::vector<std::vector<float>> embeddings;
  for (Result<Response>& response : engine.run_all(std::move(requests))) {
    if (!response.ok()) return response.status();
    embeddings.push_back(std::move(response->values));
  }
  return embeddings;
}

double largest_difference(const std::vector<std::vector<float>>& a,
                          const std::vector<std::vector<float>>& b) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (a.size() != b.size()) return kInfinity;
  double largest = 0;
  for (size_t row = 0; row < a.size(); ++row) {
    if (a[row].size() != b[row].size()) return kInfinity;
    for (size_t i = 0; i < a[row].size(); ++i) {
      if (std::bit_cast<uint32_t>(a[row][i]) == std::bit_cast<uint32_t>(b[row][i])) continue;
      const double difference =
          std::abs(static_cast<double>(a[row][i]) - static_cast<double>(b[row][i]));
      if (std::isnan(difference)) return kInfinity;
      // -0 and 0 are equal numbers of different bits.
      largest = std::max({largest, difference, std::numeric_limits<double>::denorm_min()});
    }
  }
  return largest;
}

}  // namespace wde::cli
