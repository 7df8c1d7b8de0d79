// The requests of one HTTP call, submitted to the engine together and answered together; and how
// they are made of a body.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "entrypoints/http/bodies.h"
#include "entrypoints/http/service.h"

namespace wde::http {

// What came of a call whose every input was computed.
struct BatchResult {
  std::vector<Response> responses;  // in the order of the inputs
  metrics::RequestTimes times;
  Headers headers;  // x-compute-* and the times, as TEI sends them

  int64_t tokens() const;
};

// A request of a task with what the body says of its texts and, where it does not, the server.
Request text_request(const Service& service, const TextOptions& options, Task task, Input input);
// Answers a body that could not be read.
void refuse_body(Service& service, Reply& reply, ErrorStyle style, const Status& status);

class BatchCall : public std::enable_shared_from_this<BatchCall> {
 public:
  // Writes the body of a whole answer. Runs on a thread of the server.
  using Finish = std::function<std::string(const BatchResult& result)>;

  struct Call {
    std::vector<Request> requests;  // at least one
    bool batch = false;             // written as an array of inputs
    ErrorStyle errors = ErrorStyle::kTei;
    Clock::time_point arrival;
    Finish finish;
  };

  // Refuses more than max_client_batch_size inputs; else submits them. When one input fails, the
  // call fails with the error of the first that did; when one is refused, those before it are taken
  // back. The client's disconnect cancels what is not computed yet. Called from a route's handler.
  static void start(Service& service, Call call, std::shared_ptr<Reply> reply);

  BatchCall(Service& service, Call call, std::shared_ptr<Reply> reply);

 private:
  void submit_all();
  void cancel_all();
  void collect(size_t index, Result<Response> result);
  void leave();
  void conclude();
  HttpResponse make_answer();
  BatchResult take_result();

  Service& service_;
  Call call_;
  std::shared_ptr<Reply> reply_;  // given up with the answer
  std::vector<RequestId> ids_;    // of the accepted; the connection's thread of control only
  std::vector<Result<Response>> results_;
  std::atomic<size_t> waiting_;  // for so many results, and for submit_all() to end
};

}  // namespace wde::http
