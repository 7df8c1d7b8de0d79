#include "entrypoints/cli/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
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

// The score of each label, by its name.
std::vector<float> label_scores(std::vector<LabelScore> labels) {
  std::sort(labels.begin(), labels.end(),
            [](const LabelScore& a, const LabelScore& b) { return a.label < b.label; });
  std::vector<float> scores;
  for (const LabelScore& label : labels) scores.push_back(label.score);
  return scores;
}

std::vector<float> span_scores(const std::vector<LabelledSpan>& spans) {
  std::vector<float> numbers;
  for (const LabelledSpan& span : spans) {
    numbers.insert(numbers.end(), {static_cast<float>(span.begin), static_cast<float>(span.end)});
    numbers.push_back(span.score);
  }
  return numbers;
}

std::vector<float> numbers_of(Response response) {
  std::vector<float> numbers = std::move(response.values);
  const auto append = [&numbers](const std::vector<float>& more) {
    numbers.insert(numbers.end(), more.begin(), more.end());
  };
  append(response.token_vectors.values);
  append(label_scores(std::move(response.labels)));
  append(span_scores(response.spans));
  return numbers;
}

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

std::vector<Request> requests_of(Task task, std::span<const std::string> texts) {
  std::vector<Request> requests(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    requests[i].task = task;
    requests[i].input = texts[i];
    if (task == Task::kRerank) requests[i].input = TextPair{texts[0], texts[i]};
  }
  return requests;
}

Result<Sample> closed_loop(Engine& engine, std::span<const Request> requests, size_t count,
                           size_t in_flight) {
  Loop loop(count);
  const Clock::time_point start = Clock::now();
  for (size_t i = 0; i < count && loop.wait_below(in_flight); ++i) {
    Request request = requests[i % requests.size()];
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
  return Sample{static_cast<double>(count) / seconds, static_cast<double>(loop.tokens()) / seconds,
                quantile(loop.latencies_ms(), 0.5), quantile(loop.latencies_ms(), 0.99)};
}

Result<std::vector<Answer>> answer_all(Engine& engine, std::span<const Request> requests) {
  std::vector<Answer> answers;
  for (Result<Response>& response : engine.run_all({requests.begin(), requests.end()})) {
    if (!response.ok()) return response.status();
    const int tokens = response->tokens;
    SparseVector sparse = std::move(response->sparse);
    answers.push_back({numbers_of(std::move(response).value()), std::move(sparse), tokens});
  }
  return answers;
}

}  // namespace wde::cli
