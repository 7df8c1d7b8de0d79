// TEI's /embed and /embed_all.
#include "base/json.h"
#include "entrypoints/http/batch_call.h"
#include "entrypoints/http/bodies.h"
#include "entrypoints/http/handlers.h"

namespace wde::http {
namespace {

std::vector<Request> make_requests(const Service& service, EmbedBody& body, Task task) {
  std::vector<Request> requests;
  requests.reserve(body.inputs.items.size());
  const bool truncate = body.truncate.value_or(service.options.auto_truncate);
  for (Input& input : body.inputs.items) {
    Request request;
    request.task = task;
    request.input = std::move(input);
    request.prompt_name = body.prompt_name;
    request.adapter = body.adapter;
    request.over_long = truncate ? OverLong::kTruncate : OverLong::kError;
    request.truncation_side = body.truncation_side;
    if (task == Task::kEmbed) {
      request.normalize = body.normalize;
      request.dimensions = body.dimensions;
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

void append_rows(std::string& out, const Response& response) {
  const std::span<const float> values = response.values;
  const auto columns = static_cast<size_t>(response.columns);
  for (size_t row = 0; row < static_cast<size_t>(response.rows); ++row) {
    if (row != 0) out += ',';
    json::append_array(out, values.subspan(row * columns, columns));
  }
}

std::string write_embeddings(const BatchResult& result) {
  std::string out;
  for (const Response& response : result.responses) {
    out += out.empty() ? '[' : ',';
    append_rows(out, response);
  }
  return out += ']';
}

std::string write_token_embeddings(const BatchResult& result) {
  std::string out;
  for (const Response& response : result.responses) {
    out += out.empty() ? "[[" : ",[";
    append_rows(out, response);
    out += ']';
  }
  return out += ']';
}

void start_call(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply,
                Result<EmbedBody> body, Task task) {
  if (!body.ok()) {
    service.counters.count_failure(body.status());
    reply->answer(Work::kShort, [status = body.status()] {
      return body_error_response(ErrorStyle::kTei, status);
    });
    return;
  }
  BatchCall::Call call;
  call.requests = make_requests(service, *body, task);
  call.batch = body->inputs.batch;
  call.arrival = request.arrival;
  call.finish = task == Task::kEmbed ? write_embeddings : write_token_embeddings;
  BatchCall::start(service, std::move(call), std::move(reply));
}

}  // namespace

void handle_embed(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  start_call(service, request, std::move(reply), parse_embed_request(request.body), Task::kEmbed);
}

void handle_embed_all(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  start_call(service, request, std::move(reply), parse_embed_all_request(request.body),
             Task::kHidden);
}

}  // namespace wde::http
