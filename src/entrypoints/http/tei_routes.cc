// TEI's /embed, /embed_all and /embed_sparse, and /embed_hybrid, whose answer has several parts.
#include "base/json.h"
#include "base/status.h"
#include "entrypoints/answer_json.h"
#include "entrypoints/http/batch_call.h"
#include "entrypoints/http/bodies.h"
#include "entrypoints/http/handlers.h"

namespace wde::http {
namespace {

// Requests of one task for these inputs, in their order.
std::vector<Request> make_requests(const Service& service, InputList& inputs,
                                   const TextOptions& options, Task task) {
  std::vector<Request> requests;
  requests.reserve(inputs.items.size());
  for (Input& input : inputs.items) {
    requests.push_back(text_request(service, options, task, std::move(input)));
  }
  return requests;
}

std::string write_embeddings(const BatchResult& result) {
  std::string out;
  for (const Response& response : result.responses) {
    out += out.empty() ? '[' : ',';
    json::append_array(out, response.values);
  }
  return out += ']';
}

std::string write_token_embeddings(const BatchResult& result) {
  std::string out;
  for (const Response& response : result.responses) {
    out += out.empty() ? "[[" : ",[";
    entrypoints::append_rows(out, response.values, response.columns);
    out += ']';
  }
  return out += ']';
}

std::string write_sparse(const BatchResult& result) {
  std::string out;
  for (const Response& response : result.responses) {
    out += out.empty() ? '[' : ',';
    entrypoints::append_sparse(out, response.sparse);
  }
  return out += ']';
}

// {"dense":[…],"sparse":[…],"colbert":[[…]]}, of which those that are wanted.
void append_hybrid(std::string& out, const Response& response, const HybridBody& wanted) {
  out += '{';
  const auto begin = [&out](std::string_view name) {
    out += fmt::format("{}\"{}\":", out.back() == '{' ? "" : ",", name);
  };
  if (wanted.dense) {
    begin("dense");
    json::append_array(out, response.values);
  }
  if (wanted.sparse) {
    begin("sparse");
    entrypoints::append_sparse(out, response.sparse);
  }
  if (wanted.token_vectors) {
    begin("colbert");
    // A model that gives nothing else has them as its answer's rows.
    const bool alone = response.task == Task::kMultiVector;
    out += '[';
    entrypoints::append_rows(out, alone ? response.values : response.token_vectors.values,
                             alone ? response.columns : response.token_vectors.columns);
    out += ']';
  }
  out += '}';
}

std::string write_hybrid(const BatchResult& result, const HybridBody& wanted) {
  std::string out;
  for (const Response& response : result.responses) {
    out += out.empty() ? '[' : ',';
    append_hybrid(out, response, wanted);
  }
  return out += ']';
}

// The one task that makes what is wanted; without a word of it in the body, what the model has.
Task settle_hybrid(const Service& service, HybridBody& body) {
  const bool silent = !body.dense && !body.sparse && !body.token_vectors;
  const auto only = [&](Task task, bool asked, bool others) {
    return serves(service, task) && !serves(service, Task::kHybrid) && (silent || asked) && !others;
  };
  if (only(Task::kEmbed, body.dense, body.sparse || body.token_vectors)) {
    body.dense = true;
    return Task::kEmbed;
  }
  if (only(Task::kSparse, body.sparse, body.dense || body.token_vectors)) {
    body.sparse = true;
    return Task::kSparse;
  }
  if (only(Task::kMultiVector, body.token_vectors, body.dense || body.sparse)) {
    body.token_vectors = true;
    return Task::kMultiVector;
  }
  if (silent) body.dense = body.sparse = body.token_vectors = true;
  return Task::kHybrid;
}

void start_vectors(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply,
                   Result<EmbedBody> body, Task task, BatchCall::Finish finish) {
  if (!body.ok()) return refuse_body(service, *reply, ErrorStyle::kTei, body.status());
  BatchCall::Call call;
  call.requests = make_requests(service, body->inputs, body->options, task);
  if (task == Task::kEmbed) {
    for (Request& each : call.requests) {
      each.normalize = body->normalize;
      each.dimensions = body->dimensions;
    }
  }
  call.batch = body->inputs.batch;
  call.arrival = request.arrival;
  call.finish = std::move(finish);
  BatchCall::start(service, std::move(call), std::move(reply));
}

}  // namespace

void handle_embed(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  start_vectors(service, request, std::move(reply), parse_embed_request(request.body), Task::kEmbed,
                write_embeddings);
}

void handle_embed_all(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  start_vectors(service, request, std::move(reply), parse_embed_all_request(request.body),
                Task::kHidden, write_token_embeddings);
}

void handle_embed_sparse(Service& service, const HttpRequest& request,
                         std::shared_ptr<Reply> reply) {
  start_vectors(service, request, std::move(reply), parse_embed_all_request(request.body),
                Task::kSparse, write_sparse);
}

void handle_embed_hybrid(Service& service, const HttpRequest& request,
                         std::shared_ptr<Reply> reply) {
  Result<HybridBody> body = parse_hybrid_request(request.body);
  if (!body.ok()) return refuse_body(service, *reply, ErrorStyle::kTei, body.status());
  const Task task = settle_hybrid(service, *body);
  BatchCall::Call call;
  call.requests = make_requests(service, body->inputs, body->options, task);
  if (body->dense) {
    for (Request& each : call.requests) each.normalize = body->normalize;
  }
  call.batch = body->inputs.batch;
  call.arrival = request.arrival;
  body->inputs.items.clear();
  call.finish = [wanted = std::move(body).value()](const BatchResult& result) {
    return write_hybrid(result, wanted);
  };
  BatchCall::start(service, std::move(call), std::move(reply));
}

}  // namespace wde::http
