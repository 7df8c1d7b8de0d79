#include "wde/engine.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <unordered_map>

#include "base/status.h"
#include "engine/load_on_device.h"
#include "engine/request_threads.h"
#include "metrics/metrics.h"
#include "workflow/assembly.h"

namespace wde {
namespace engine {
namespace {

// The life of a request: submit() on a client's thread, process() on a request thread, then the
// engine thread picks it into a batch, starts that on the executor and answers it when it
// completes.
class EngineImpl final : public Engine {
 public:
  explicit EngineImpl(std::unique_ptr<Signal> signal, workflow::Assembly assembly)
      : signal_(std::move(signal)),
        parts_(std::move(assembly)),
        max_queued_(static_cast<size_t>(parts_.settings.options.max_queued_requests)) {
    request_threads_ = std::make_unique<RequestThreads>(
        parts_.settings.request_threads,
        [this](AcceptedRequest request) { process(std::move(request)); });
    engine_thread_ = std::thread([this] { run_loop(); });
  }

  ~EngineImpl() override { shutdown(); }

  Result<RequestId> submit(Request request, Callback done) override {
    return accept(std::move(request), std::move(done), WhenFull::kRefuse);
  }
  Result<RequestId> submit_when_room(Request request, Callback done) override {
    return accept(std::move(request), std::move(done), WhenFull::kWait);
  }

  void cancel(RequestId id) override {
    {
      const std::lock_guard lock(mutex_);
      const auto found = tickets_.find(id);
      if (found == tickets_.end()) return;
      found->second->cancel();
    }
    signal_->notify();
  }

  const TextTokenizer& tokenizer() const override { return *parts_.text_tokenizer; }
  const ModelInfo& info() const override { return parts_.info; }
  std::string metrics() const override { return metrics_.expose(); }

  std::vector<OpProfile> take_profile() override { return workflow::take_profile(parts_); }

  size_t pending() const override {
    const std::lock_guard lock(mutex_);
    return tickets_.size();
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      accepting_ = false;
    }
    room_.notify_all();
    const std::lock_guard once(shutdown_mutex_);
    request_threads_.reset();  // processes what was accepted
    draining_.store(true);
    signal_->notify();
    if (engine_thread_.joinable()) engine_thread_.join();
  }

 private:
  enum class WhenFull { kRefuse, kWait };

  Result<RequestId> accept(Request request, Callback done, WhenFull when_full) {
    AcceptedRequest accepted;
    accepted.schedulable.timestamps.arrival = Clock::now();
    WDE_RETURN_IF_ERROR(parts_.input_processor->check(request));
    accepted.schedulable.task = request.task;
    accepted.schedulable.deadline = request.deadline;
    accepted.schedulable.adapter = parts_.input_processor->adapter(request);
    accepted.schedulable.output = parts_.input_processor->output_spec(request);
    const Task task = request.task;
    accepted.request = std::move(request);

    std::unique_lock lock(mutex_);
    if (when_full == WhenFull::kWait)
      room_.wait(lock, [&] { return !accepting_ || queued_ < max_queued_; });
    if (!accepting_) return shutting_down_error("the engine is shutting down");
    if (queued_ >= max_queued_)
      return overloaded_error("the queue is full: {} requests are waiting", queued_);
    const RequestId id = ++last_id_;
    auto ticket = std::make_shared<schema::Ticket>(
        id, [this, id, task, done = std::move(done)](Result<Response> result) {
          count(task, result);
          done(std::move(result));
          forget(id);
        });
    tickets_.emplace(id, ticket);
    ++queued_;
    accepted.schedulable.ticket = std::move(ticket);
    // Under the lock, so that shutdown() can't end the request threads between the check above and
    // this.
    request_threads_->push(std::move(accepted));
    return id;
  }

  // Request threads.
  void process(AcceptedRequest accepted) {
    const std::shared_ptr<schema::Ticket> ticket = accepted.schedulable.ticket;
    Result<std::vector<schema::SchedulableRequest>> processed =
        cancelled_error("cancelled by the client");
    if (!ticket->cancelled()) {
      processed =
          parts_.request_processor->process(accepted.request, std::move(accepted.schedulable));
    }
    if (!processed.ok()) {
      left_queue(1);
      ticket->answer(processed.status());
      return;
    }
    const Clock::time_point tokenized = Clock::now();
    for (schema::SchedulableRequest& request : *processed) {
      request.timestamps.tokenized = tokenized;
      parts_.scheduler->add(std::move(request));
    }
    signal_->notify();
  }

  // The engine thread: all CPU work of a batch.
  void run_loop() {
    for (;;) {
      const uint64_t seen = signal_->epoch();
      const bool draining = draining_.load();
      bool progress = answer_completed();
      progress = start_batches() || progress;
      if (progress) continue;
      if (draining && parts_.executor->in_flight() == 0 && parts_.scheduler->size() == 0) return;
      signal_->wait(seen);
    }
  }

  bool answer_completed() {
    bool any = false;
    while (execution::Slot* slot = parts_.executor->completed()) {
      const schema::RawOutput output = slot->output();
      parts_.output_processor->answer(&slot->batch, output);
      parts_.executor->release(slot);
      any = true;
    }
    return any;
  }

  bool start_batches() {
    bool any = false;
    while (execution::Slot* slot = parts_.executor->acquire()) {
      using LongText = pipeline::Scheduler::LongText;
      pipeline::Scheduler::Picked picked = parts_.scheduler->pick(
          Clock::now(), parts_.executor->computes_long_text(*slot) ? LongText::kMustWait
                                                                   : LongText::kMayBePicked);
      left_queue(count_leaving(picked.batch.requests) + count_leaving(picked.cancelled) +
                 count_leaving(picked.expired));
      answer_all(&picked.cancelled, cancelled_error("cancelled by the client"));
      answer_all(&picked.expired,
                 deadline_exceeded_error("the deadline passed before the request was computed"));
      if (picked.batch.empty()) {
        parts_.executor->release(slot);
        break;
      }
      metrics_.observe_batch(picked.batch.requests.size(),
                             static_cast<size_t>(picked.batch.tokens));
      slot->batch = std::move(picked.batch);
      slot->input = parts_.model_input_builder->build(&slot->batch, slot->host_block());
      parts_.executor->start(slot);
      any = true;
    }
    return any;
  }

  static void answer_all(std::vector<schema::SchedulableRequest>* requests, const Status& status) {
    for (auto& request : *requests) request.ticket->answer(status);
  }

  void count(Task task, const Result<Response>& result) {
    if (result.ok()) {
      metrics_.request_succeeded(task, result->timestamps, result->tokens);
    } else {
      metrics_.request_failed(task, result.status().code());
    }
  }

  // Clients' requests of which nothing waits any more once these have left the scheduler.
  static size_t count_leaving(const std::vector<schema::SchedulableRequest>& requests) {
    return static_cast<size_t>(
        std::count_if(requests.begin(), requests.end(), [](const auto& request) {
          return request.averaging == nullptr || request.averaging->leave_queue();
        }));
  }

  // So many requests are no longer waiting for a batch.
  void left_queue(size_t count) {
    if (count == 0) return;
    {
      const std::lock_guard lock(mutex_);
      queued_ -= count;
      metrics_.set_queue_size(queued_);
    }
    room_.notify_all();
  }

  void forget(RequestId id) {
    const std::lock_guard lock(mutex_);
    tickets_.erase(id);
  }

  std::unique_ptr<Signal> signal_;  // before the executor, which notifies it
  workflow::Assembly parts_;
  metrics::Metrics metrics_;
  const size_t max_queued_;

  mutable std::mutex mutex_;
  std::condition_variable room_;
  bool accepting_ = true;
  size_t queued_ = 0;  // accepted, not yet in a batch
  RequestId last_id_ = 0;
  std::unordered_map<RequestId, std::shared_ptr<schema::Ticket>> tickets_;

  std::atomic<bool> draining_{false};
  std::mutex shutdown_mutex_;
  std::unique_ptr<RequestThreads> request_threads_;
  std::thread engine_thread_;
};

// A thread that can't be started (std::system_error) as a value.
template <class Make>
auto with_threads(const Make& make) -> decltype(make()) {
  try {
    return make();
  } catch (const std::system_error& error) {
    return resource_exhausted_error(
        "a thread could not be started: {}; lower --threads, --request-threads or --data-parallel",
        error.what());
  }
}

}  // namespace

Result<std::unique_ptr<Engine>> load_on_device(const EngineOptions& options,
                                               std::shared_ptr<Device> device) {
  return with_threads([&]() -> Result<std::unique_ptr<Engine>> {
    auto signal = std::make_unique<Signal>();
    WDE_ASSIGN_OR_RETURN(workflow::Assembly assembly,
                         workflow::assemble(options, std::move(device),
                                            workflow::AssembleUntil::kExecutor, signal.get()));
    return std::unique_ptr<Engine>(
        std::make_unique<EngineImpl>(std::move(signal), std::move(assembly)));
  });
}

}  // namespace engine

Result<std::unique_ptr<Engine>> Engine::load(const EngineOptions& options) {
  return engine::load_on_device(options, nullptr);
}

Result<ModelInfo> Engine::plan(const EngineOptions& options) {
  return engine::with_threads([&]() -> Result<ModelInfo> {
    WDE_ASSIGN_OR_RETURN(
        workflow::Assembly assembly,
        workflow::assemble(options, nullptr, workflow::AssembleUntil::kMemoryPlan, nullptr));
    return std::move(assembly.info);
  });
}

Result<Response> Engine::run(Request request) {
  std::vector<Request> requests;
  requests.push_back(std::move(request));
  return std::move(run_all(std::move(requests)).front());
}

std::vector<Result<Response>> Engine::run_all(std::vector<Request> requests) {
  std::vector<Result<Response>> results(requests.size(),
                                        Status(StatusCode::kInternal, "not answered"));
  std::mutex mutex;
  std::condition_variable done;
  size_t pending = requests.size();
  const auto answer = [&](size_t index, Result<Response> result) {
    const std::lock_guard lock(mutex);
    results[index] = std::move(result);
    if (--pending == 0) done.notify_one();
  };
  for (size_t i = 0; i < requests.size(); ++i) {
    const Result<RequestId> id =
        submit_when_room(std::move(requests[i]),
                         [&answer, i](Result<Response> result) { answer(i, std::move(result)); });
    if (!id.ok()) answer(i, id.status());
  }
  std::unique_lock lock(mutex);
  done.wait(lock, [&] { return pending == 0; });
  return results;
}

}  // namespace wde
