#include "entrypoints/http/service.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>

#include "entrypoints/http/handlers.h"

namespace wde::http {
namespace {

constexpr ErrorStyle kTei = ErrorStyle::kTei;
constexpr ErrorStyle kOpenAi = ErrorStyle::kOpenAi;
constexpr Access kPublic = Access::kPublic;
constexpr Access kNeedsKey = Access::kNeedsKey;
constexpr Cost kFree = Cost::kFree;
constexpr Cost kCompute = Cost::kCompute;

// clang-format off
constexpr auto kRoutes = std::to_array<Route>({
    {"POST", "/embed", handle_embed, kTei, kNeedsKey, kCompute,
     "One vector per input", "EmbedRequest", "Embeddings"},
    {"POST", "/", handle_root, kTei, kNeedsKey, kCompute,
     "What the model is for: /rerank, /predict, /predict_tokens, /embed (and /similarity, by the "
     "body), /embed_sparse or /embed_hybrid", "RootRequest", "RootAnswer"},
    {"POST", "/embed_all", handle_embed_all, kTei, kNeedsKey, kCompute,
     "The last hidden state of every token of every input", "EmbedAllRequest", "TokenEmbeddings"},
    {"POST", "/embed_sparse", handle_embed_sparse, kTei, kNeedsKey, kCompute,
     "The weights of vocabulary entries for every input", "EmbedAllRequest", "SparseEmbeddings"},
    {"POST", "/embed_hybrid", handle_embed_hybrid, kTei, kNeedsKey, kCompute,
     "A dense vector, a sparse one and a multi-vector per input, from one pass", "EmbedHybridRequest",
     "HybridEmbeddings"},
    {"POST", "/rerank", handle_rerank, kTei, kNeedsKey, kCompute,
     "How well each text answers the query, best first", "RerankRequest", "Ranking"},
    {"POST", "/predict", handle_predict, kTei, kNeedsKey, kCompute,
     "A score for each label of a text or a pair of texts", "PredictRequest", "Prediction"},
    {"POST", "/predict_tokens", handle_predict_tokens, kTei, kNeedsKey, kCompute,
     "Labelled spans of every text", "PredictTokensRequest", "TokenPrediction"},
    {"POST", "/similarity", handle_similarity, kTei, kNeedsKey, kCompute,
     "The cosine of one text and each of several", "SimilarityRequest", "Vector"},
    {"POST", "/v1/embeddings", handle_openai_embeddings, kOpenAi, kNeedsKey, kCompute,
     "OpenAI's embeddings, always normalized", "OpenAiEmbeddingsRequest", "OpenAiEmbeddings"},
    {"POST", "/embeddings", handle_openai_embeddings, kOpenAi, kNeedsKey, kCompute,
     "The same as /v1/embeddings", "OpenAiEmbeddingsRequest", "OpenAiEmbeddings"},
    {"POST", "/tokenize", handle_tokenize, kTei, kNeedsKey, kCompute,
     "The tokens of every text, never truncated", "TokenizeRequest", "Tokens"},
    {"POST", "/decode", handle_decode, kTei, kNeedsKey, kCompute,
     "Token ids back into texts", "DecodeRequest", "Texts"},
    {"GET", "/info", handle_info, kTei, kNeedsKey, kFree,
     "The model and the server's limits", "", "Info"},
    {"GET", "/v1/models", handle_openai_models, kOpenAi, kNeedsKey, kFree,
     "OpenAI's list of models: the one that is served", "", "OpenAiModels"},
    {"GET", "/health", handle_health, kTei, kPublic, kFree, "200 while requests are taken", "", ""},
    {"GET", "/ping", handle_health, kTei, kPublic, kFree, "The same as /health", "", ""},
    {"GET", "/", handle_health, kTei, kPublic, kFree, "The same as /health", "", ""},
    {"GET", "/metrics", handle_metrics, kTei, kPublic, kFree, "Counters, in Prometheus's text format", "", ""},
    {"GET", "/openapi.json", handle_openapi, kTei, kPublic, kFree, "This description", "", ""},
    {"GET", "/docs", handle_docs, kTei, kPublic, kFree, "A page for people", "", ""},
});
// clang-format on

// The time it takes tells the key's length at most.
bool has_key(const ServerOptions& options, const HttpRequest& head) {
  const std::string expected = "Bearer " + options.api_key;
  const std::string_view given = head.header("authorization");
  return given.size() == expected.size() &&
         CRYPTO_memcmp(given.data(), expected.data(), expected.size()) == 0;
}

// HEAD is GET whose body the connection leaves out.
std::string_view routed_method(const HttpRequest& head) {
  return head.method == "HEAD" ? std::string_view("GET") : std::string_view(head.method);
}

HttpResponse not_served(const HttpRequest& head) {
  std::string allowed;
  for (const Route& route : kRoutes) {
    if (route.path != head.path) continue;
    allowed += allowed.empty() ? "" : ", ";
    allowed += route.method == "GET" ? "GET, HEAD" : route.method;
  }
  const ErrorStyle style = error_style_of(head.path);
  if (allowed.empty()) return http_error_response(style, 404, "there is no route " + head.path);
  HttpResponse response =
      http_error_response(style, 405, head.path + " takes " + allowed + ", not " + head.method);
  response.headers.emplace_back("allow", allowed);
  return response;
}

// Clients send headers of their own (x-stainless-… from OpenAI's): none of them does harm here.
HttpResponse preflight_response(const HttpRequest& head) {
  const std::string_view asked = head.header("access-control-request-headers");
  HttpResponse response;
  response.status = 204;
  response.content_type.clear();
  response.headers = {{"access-control-allow-methods", "GET, POST"},
                      {"access-control-allow-headers",
                       asked.empty() ? "content-type, authorization" : std::string(asked)}};
  return response;
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

bool serves(const Service& service, Task task) {
  const std::vector<Task>& tasks = service.engine.info().tasks;
  return std::find(tasks.begin(), tasks.end(), task) != tasks.end();
}

Screening screen(const ServerOptions& options, const HttpRequest& head) {
  if (head.method == "OPTIONS" && !head.header("access-control-request-method").empty()) {
    return preflight_response(head);
  }
  const auto route = std::find_if(kRoutes.begin(), kRoutes.end(), [&](const Route& candidate) {
    return candidate.path == head.path && candidate.method == routed_method(head);
  });
  if (route == kRoutes.end()) return not_served(head);
  if (route->access == Access::kNeedsKey && !options.api_key.empty() && !has_key(options, head)) {
    HttpResponse response = http_error_response(
        route->errors, 401, "the header \"authorization: Bearer KEY\" is missing or wrong");
    response.headers.emplace_back("www-authenticate", "Bearer");
    return response;
  }
  const std::string_view coding = head.header("content-encoding");
  if (!coding.empty() && coding != "identity") {
    return http_error_response(route->errors, 415, "the body must not be compressed");
  }
  return &*route;
}

Headers cors_headers(const ServerOptions& options, const HttpRequest& head) {
  const std::string_view origin = head.header("origin");
  if (origin.empty()) return {};
  const auto& allowed = options.cors_allow_origin;
  if (allowed.empty() || std::find(allowed.begin(), allowed.end(), "*") != allowed.end()) {
    return {{"access-control-allow-origin", "*"}};
  }
  if (std::find(allowed.begin(), allowed.end(), origin) == allowed.end())
    return {{"vary", "origin"}};
  return {{"access-control-allow-origin", std::string(origin)}, {"vary", "origin"}};
}

}  // namespace wde::http
