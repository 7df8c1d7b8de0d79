#include "entrypoints/http/batch_call.h"

#include <fmt/core.h>

#include <algorithm>

namespace wde::http {
namespace {

// fp32 values that are written as text within a millisecond or so.
constexpr size_t kShortWorkValues = 16 * 1024;

metrics::RequestTimes mean_times(const std::vector<Response>& responses,
                                 Clock::time_point arrival) {
  metrics::RequestTimes sum;
  for (const Response& response : responses) {
    const Timestamps& at = response.timestamps;
    sum.tokenization += at.tokenized - at.arrival;
    sum.queue += at.scheduled - at.tokenized;
    sum.inference += at.end - at.scheduled;
  }
  const auto count = static_cast<int64_t>(responses.size());
  return {Clock::now() - arrival, sum.tokenization / count, sum.queue / count,
          sum.inference / count};
}

std::string milliseconds(std::chrono::nanoseconds time) {
  return fmt::format("{}", std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

Headers tei_headers(std::string_view device, const BatchResult& result) {
  int64_t characters = 0;
  for (const Response& response : result.responses) characters += response.characters;
  const metrics::RequestTimes& times = result.times;
  return {{"x-compute-type", std::string(device)},
          {"x-compute-time", milliseconds(times.total)},
          {"x-compute-characters", fmt::format("{}", characters)},
          {"x-compute-tokens", fmt::format("{}", result.tokens())},
          {"x-total-time", milliseconds(times.total)},
          {"x-tokenization-time", milliseconds(times.tokenization)},
          {"x-queue-time", milliseconds(times.queue)},
          {"x-inference-time", milliseconds(times.inference)}};
}

// Numbers that the answer's text holds.
size_t values_in(const Response& response) {
  return response.values.size() + response.token_vectors.values.size() +
         2 * response.sparse.values.size() + response.labels.size() + 4 * response.spans.size();
}

metrics::ServerCounters::Method method_of(bool batch) {
  return batch ? metrics::ServerCounters::Method::kBatch : metrics::ServerCounters::Method::kSingle;
}

// The first that is an error of its own, or else the first error: cancelled requests are the echo
// of a refused one.
const Result<Response>* find_error(const std::vector<Result<Response>>& results) {
  const Result<Response>* found = nullptr;
  for (const Result<Response>& result : results) {
    if (result.ok()) continue;
    if (result.status().code() != StatusCode::kCancelled) return &result;
    if (found == nullptr) found = &result;
  }
  return found;
}

}  // namespace

int64_t BatchResult::tokens() const {
  int64_t tokens = 0;
  for (const Response& response : responses) tokens += response.tokens;
  return tokens;
}

Request text_request(const Service& service, const TextOptions& options, Task task, Input input) {
  Request request;
  request.task = task;
  request.input = std::move(input);
  request.prompt_name = options.prompt_name;
  request.adapter = options.adapter;
  request.over_long = options.over_long.value_or(service.options.over_long);
  request.truncation_side = options.truncation_side;
  return request;
}

void refuse_body(Service& service, Reply& reply, ErrorStyle style, const Status& status) {
  service.counters.count_failure(status);
  reply.answer(Work::kShort, [status, style] { return body_error_response(style, status); });
}

void BatchCall::start(Service& service, Call call, std::shared_ptr<Reply> reply) {
  service.counters.count_request(method_of(call.batch));
  const size_t limit = static_cast<size_t>(service.options.max_client_batch_size);
  if (call.requests.size() > limit) {
    service.counters.count_batch_size_failure();
    const Status status(
        StatusCode::kInvalidArgument,
        fmt::format("batch size {} > maximum allowed batch size {}", call.requests.size(), limit));
    reply->answer(Work::kShort,
                  [status, errors = call.errors] { return error_response(errors, status); });
    return;
  }
  std::make_shared<BatchCall>(service, std::move(call), std::move(reply))->submit_all();
}

BatchCall::BatchCall(Service& service, Call call, std::shared_ptr<Reply> reply)
    : service_(service),
      call_(std::move(call)),
      reply_(std::move(reply)),
      results_(call_.requests.size(),
               Status(StatusCode::kCancelled, "an earlier input was refused")),
      waiting_(call_.requests.size() + 1) {}

void BatchCall::submit_all() {
  reply_->on_disconnect([self = shared_from_this()] { self->cancel_all(); });
  const size_t count = call_.requests.size();
  ids_.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    auto done = [self = shared_from_this(), i](Result<Response> result) {
      self->collect(i, std::move(result));
    };
    Result<RequestId> id = service_.engine.submit(std::move(call_.requests[i]), std::move(done));
    if (id.ok()) {
      ids_.push_back(*id);
      continue;
    }
    cancel_all();
    results_[i] = id.status();
    for (size_t refused = i; refused < count; ++refused) leave();
    break;
  }
  leave();
}

void BatchCall::cancel_all() {
  for (const RequestId id : ids_) service_.engine.cancel(id);
}

void BatchCall::collect(size_t index, Result<Response> result) {
  results_[index] = std::move(result);
  leave();
}

void BatchCall::leave() {
  if (waiting_.fetch_sub(1, std::memory_order_acq_rel) == 1) conclude();
}

// On an engine thread: hands the rest of the work to the server.
void BatchCall::conclude() {
  size_t values = 0;
  for (const Result<Response>& result : results_) values += result.ok() ? values_in(*result) : 0;
  const std::shared_ptr<Reply> reply = std::move(reply_);
  reply->answer(values > kShortWorkValues ? Work::kLong : Work::kShort,
                [self = shared_from_this()] { return self->make_answer(); });
}

HttpResponse BatchCall::make_answer() {
  if (const Result<Response>* error = find_error(results_)) {
    service_.counters.count_failure(error->status());
    return error_response(call_.errors, error->status());
  }
  const BatchResult result = take_result();
  HttpResponse response;
  response.body = call_.finish(result);
  response.headers = result.headers;
  service_.counters.count_success(method_of(call_.batch), result.times);
  return response;
}

BatchResult BatchCall::take_result() {
  BatchResult result;
  result.responses.reserve(results_.size());
  for (Result<Response>& response : results_) result.responses.push_back(std::move(*response));
  result.times = mean_times(result.responses, call_.arrival);
  result.headers = tei_headers(service_.engine.info().device, result);
  return result;
}

}  // namespace wde::http
