// An engine without a model for tests of the command line: it answers on threads of its own, late
// and out of order. The vector of a text is {its bytes, its first byte, 1}, negative for pairs.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"
#include "wde/engine.h"

namespace wde::cli::test {

class FakeEngine : public Engine {
 public:
  FakeEngine() {
    info_.hidden_size = 3;
    info_.embedding_size = 3;
    info_.max_length = 16;
    info_.max_batch_requests = 8;
    info_.dtype = "f32";
    info_.threads = 1;
    thread_ = std::thread([this] { answer_all(); });
  }
  ~FakeEngine() override { shutdown(); }

  Result<RequestId> submit(Request request, Callback done) override {
    if (std::get_if<std::string>(&request.input) != nullptr &&
        std::get<std::string>(request.input) == "refuse") {
      return invalid_argument_error("refused");
    }
    const std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(request), std::move(done)});
    most_pending_ = std::max(most_pending_, waiting_.size());
    changed_.notify_one();
    return RequestId{++next_id_};
  }
  Result<RequestId> submit_when_room(Request request, Callback done) override {
    return submit(std::move(request), std::move(done));
  }
  void cancel(RequestId) override {}
  const TextTokenizer& tokenizer() const override { std::abort(); }
  const ModelInfo& info() const override { return info_; }
  size_t pending() const override { return 0; }
  std::string metrics() const override { return ""; }
  std::vector<OpProfile> take_profile() override { return {}; }
  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      changed_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }

  size_t most_pending() const {
    const std::lock_guard lock(mutex_);
    return most_pending_;
  }

 private:
  struct Waiting {
    Request request;
    Callback done;
  };

  void answer_all() {
    while (true) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      // The newest first: the opposite of what the reader of the answers wants.
      Waiting picked = std::move(waiting_.back());
      waiting_.pop_back();
      lock.unlock();
      picked.done(answer(picked.request));
    }
  }

  static Result<Response> answer(const Request& request) {
    Response response;
    response.task = request.task;
    response.rows = 1;
    response.columns = 3;
    const auto* text = std::get_if<std::string>(&request.input);
    const std::string content = text != nullptr ? *text : std::get<TextPair>(request.input).first;
    if (content == "fail") return device_error("broken");
    const float sign = text != nullptr ? 1.0f : -1.0f;
    const float first = content.empty() ? 0.0f : static_cast<float>(content[0]);
    response.values = {sign * static_cast<float>(content.size()), first, 1.0f};
    response.tokens = static_cast<int>(content.size());
    response.truncated = content.size() > 16;
    return response;
  }

  ModelInfo info_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Waiting> waiting_;
  size_t most_pending_ = 0;
  RequestId next_id_ = 0;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace wde::cli::test
