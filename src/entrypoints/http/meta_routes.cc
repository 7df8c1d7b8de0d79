// What the server says of itself: /info, /health, /metrics, /openapi.json, /docs.
#include <fmt/core.h>

#include "base/json.h"
#include "entrypoints/http/handlers.h"
#include "entrypoints/http/openapi.h"
#include "wde/catalog.h"

namespace wde::http {
namespace {

void answer_text(Reply& reply, std::string content_type, std::string body) {
  reply.answer(Work::kShort, [content_type = std::move(content_type), body = std::move(body)] {
    HttpResponse response;
    response.content_type = content_type;
    response.body = body;
    return response;
  });
}

// The spelling of TEI's clients.
std::string_view tei_dtype(std::string_view dtype) {
  if (dtype == "f32") return "float32";
  if (dtype == "f16") return "float16";
  return dtype == "bf16" ? "bfloat16" : dtype;
}

void append_member(std::string& out, std::string_view key, std::string_view text) {
  out += out.back() == '{' ? "" : ",";
  json::append_string(out, key);
  out += ':';
  json::append_string(out, text);
}

void append_member(std::string& out, std::string_view key, int64_t number) {
  out += fmt::format("{}\"{}\":{}", out.back() == '{' ? "" : ",", key, number);
}

// {"classifier":{"id2label":{"0":"a"},"label2id":{"a":0}}}
void append_labels(std::string& out, std::string_view kind,
                   const std::vector<std::string>& labels) {
  out += fmt::format("\"{}\":{{\"id2label\":{{", kind);
  for (size_t i = 0; i < labels.size(); ++i) append_member(out, fmt::format("{}", i), labels[i]);
  out += "},\"label2id\":{";
  for (size_t i = 0; i < labels.size(); ++i) append_member(out, labels[i], static_cast<int64_t>(i));
  out += "}}";
}

// TEI's three kinds of model; what it has no word for is told as its nearest.
void append_model_type(std::string& out, const Service& service) {
  const ModelInfo& model = service.engine.info();
  out += ",\"model_type\":{";
  if (serves(service, Task::kRerank)) {
    append_labels(out, "reranker", model.labels);
  } else if (serves(service, Task::kClassify) || serves(service, Task::kClassifyTokens)) {
    append_labels(out, "classifier", model.labels);
  } else {
    out += "\"embedding\":{";
    append_member(out, "pooling",
                  serves(service, Task::kEmbed)    ? model.pooling
                  : serves(service, Task::kSparse) ? "splade"
                                                   : "token");
    out += '}';
  }
  out += '}';
}

std::string info_document(const Service& service) {
  const ModelInfo& model = service.engine.info();
  const ServerOptions& options = service.options;
  std::string out = "{";
  append_member(out, "model_id", model.model);
  if (model.revision.empty()) {
    out += ",\"model_sha\":null";
  } else {
    append_member(out, "model_sha", model.revision);
  }
  append_member(out, "model_dtype", tei_dtype(model.dtype));
  append_member(out, "served_model_name", service.model_name());
  append_model_type(out, service);
  append_member(out, "max_concurrent_requests", options.max_concurrent_requests);
  append_member(out, "max_input_length", model.max_length);
  append_member(out, "max_batch_tokens", model.max_batch_tokens);
  append_member(out, "max_batch_requests", model.max_batch_requests);
  append_member(out, "max_client_batch_size", options.max_client_batch_size);
  // TEI's word for "over-long texts are taken".
  const bool taken = options.over_long != OverLong::kError;
  out += taken ? ",\"auto_truncate\":true" : ",\"auto_truncate\":false";
  append_member(out, "tokenization_workers", options.tokenization_workers);
  append_member(out, "version", version());
  return out += ",\"sha\":null}";
}

}  // namespace

void handle_info(Service& service, const HttpRequest&, std::shared_ptr<Reply> reply) {
  answer_text(*reply, "application/json", info_document(service));
}

void handle_health(Service&, const HttpRequest&, std::shared_ptr<Reply> reply) {
  answer_text(*reply, "text/plain", "");
}

void handle_metrics(Service& service, const HttpRequest&, std::shared_ptr<Reply> reply) {
  answer_text(*reply, "text/plain; version=0.0.4; charset=utf-8",
              service.engine.metrics() + service.counters.text());
}

void handle_openapi(Service&, const HttpRequest&, std::shared_ptr<Reply> reply) {
  answer_text(*reply, "application/json", openapi_document(routes(), version()));
}

void handle_docs(Service& service, const HttpRequest&, std::shared_ptr<Reply> reply) {
  answer_text(*reply, "text/html; charset=utf-8",
              docs_page(routes(), service.model_name(), version()));
}

}  // namespace wde::http
