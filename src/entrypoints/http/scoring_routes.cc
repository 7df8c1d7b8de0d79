// TEI's /rerank, /predict and /similarity, and /predict_tokens.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/json.h"
#include "base/status.h"
#include "entrypoints/answer_json.h"
#include "entrypoints/http/batch_call.h"
#include "entrypoints/http/bodies.h"
#include "entrypoints/http/handlers.h"

namespace wde::http {
namespace {

// [{"index":i,"score":s,"text":t}], best first; `texts` may be empty: no texts.
std::string write_ranking(const BatchResult& result, const std::vector<std::string>& texts) {
  const auto score = [&](size_t index) { return result.responses[index].values.front(); };
  std::vector<size_t> order(result.responses.size());
  std::iota(order.begin(), order.end(), size_t{0});
  // A score that is no number is the worst.
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return !std::isnan(score(a)) && (std::isnan(score(b)) || score(a) > score(b));
  });
  std::string out = "[";
  for (const size_t index : order) {
    out += fmt::format("{}{{\"index\":{},\"score\":", out.size() == 1 ? "" : ",", index);
    json::append_number(out, score(index));
    if (!texts.empty()) {
      out += ",\"text\":";
      json::append_string(out, texts[index]);
    }
    out += '}';
  }
  return out += ']';
}

// One answer for a single input, else an array of them.
template <class Append>
std::string write_each(const BatchResult& result, bool batch, const Append& append) {
  std::string out;
  for (const Response& response : result.responses) {
    if (batch) out += out.empty() ? '[' : ',';
    append(out, response);
  }
  if (batch) out += ']';
  return out;
}

// Of two normalized vectors.
float cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return static_cast<float>(sum);
}

// Of the first vector and each of the others.
std::string write_similarities(const BatchResult& result) {
  std::vector<float> similarities;
  for (size_t i = 1; i < result.responses.size(); ++i) {
    similarities.push_back(cosine(result.responses[0].values, result.responses[i].values));
  }
  std::string out;
  json::append_array(out, similarities);
  return out;
}

BatchCall::Call make_call(const HttpRequest& request, bool batch) {
  BatchCall::Call call;
  call.batch = batch;
  call.arrival = request.arrival;
  return call;
}

}  // namespace

void handle_rerank(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  Result<RerankBody> body = parse_rerank_request(request.body);
  if (!body.ok()) return refuse_body(service, *reply, ErrorStyle::kTei, body.status());
  BatchCall::Call call = make_call(request, true);
  for (const std::string& text : body->texts) {
    call.requests.push_back(
        text_request(service, body->options, Task::kRerank, TextPair{body->query, text}));
    call.requests.back().raw_scores = body->raw_scores;
  }
  if (!body->return_text) body->texts.clear();
  call.finish = [texts = std::move(body->texts)](const BatchResult& result) {
    return write_ranking(result, texts);
  };
  BatchCall::start(service, std::move(call), std::move(reply));
}

void handle_predict(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  Result<PredictBody> body = parse_predict_request(request.body);
  if (!body.ok()) return refuse_body(service, *reply, ErrorStyle::kTei, body.status());
  BatchCall::Call call = make_call(request, body->inputs.batch);
  for (Input& input : body->inputs.items) {
    call.requests.push_back(
        text_request(service, body->options, Task::kClassify, std::move(input)));
    call.requests.back().raw_scores = body->raw_scores;
  }
  call.finish = [batch = call.batch](const BatchResult& result) {
    return write_each(result, batch, [](std::string& out, const Response& response) {
      entrypoints::append_labels(out, response.labels);
    });
  };
  BatchCall::start(service, std::move(call), std::move(reply));
}

void handle_predict_tokens(Service& service, const HttpRequest& request,
                           std::shared_ptr<Reply> reply) {
  Result<PredictTokensBody> body = parse_predict_tokens_request(request.body);
  if (!body.ok()) return refuse_body(service, *reply, ErrorStyle::kTei, body.status());
  BatchCall::Call call = make_call(request, body->inputs.batch);
  for (Input& input : body->inputs.items) {
    call.requests.push_back(
        text_request(service, body->options, Task::kClassifyTokens, std::move(input)));
    call.requests.back().aggregation = body->aggregation;
  }
  call.finish = [batch = call.batch](const BatchResult& result) {
    return write_each(result, batch, [](std::string& out, const Response& response) {
      entrypoints::append_spans(out, response.spans);
    });
  };
  BatchCall::start(service, std::move(call), std::move(reply));
}

void handle_similarity(Service& service, const HttpRequest& request, std::shared_ptr<Reply> reply) {
  Result<SimilarityBody> body = parse_similarity_request(request.body);
  if (!body.ok()) return refuse_body(service, *reply, ErrorStyle::kTei, body.status());
  BatchCall::Call call = make_call(request, true);
  const auto add = [&](std::string& text) {
    call.requests.push_back(text_request(service, body->options, Task::kEmbed, std::move(text)));
    call.requests.back().normalize = true;
  };
  add(body->source);
  for (std::string& sentence : body->sentences) add(sentence);
  call.finish = write_similarities;
  BatchCall::start(service, std::move(call), std::move(reply));
}

}  // namespace wde::http
