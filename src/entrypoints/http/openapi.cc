#include "entrypoints/http/openapi.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/json.h"
#include "entrypoints/http/wire.h"

namespace wde::http {
namespace {

// components.schemas: what the route table's schema names stand for.
constexpr std::string_view kSchemas = R"json({
"Input": {"oneOf": [
  {"type": "string"},
  {"type": "array", "items": {"type": "integer", "minimum": 0}, "description": "token ids"}]},
"InputList": {"description": "A string, a list of token ids, or an array of either.", "oneOf": [
  {"$ref": "#/components/schemas/Input"},
  {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Input"}}]},
"Truncate": {"nullable": true, "default": null,
  "description": "of over-long texts: cut them, refuse them (false), or embed their parts and answer the mean (\"average\", where the answer is one vector); null: as the server was started",
  "oneOf": [{"type": "boolean"}, {"type": "string", "enum": ["average"]}]},
"EmbedAllRequest": {"type": "object", "required": ["inputs"], "properties": {
  "inputs": {"$ref": "#/components/schemas/InputList"},
  "truncate": {"$ref": "#/components/schemas/Truncate"},
  "truncation_direction": {"type": "string", "enum": ["left", "right", "Left", "Right"], "default": "right"},
  "prompt_name": {"type": "string", "nullable": true, "default": null},
  "adapter": {"type": "string", "nullable": true, "default": null, "description": "of a model that has adapters: one of them; \"\": none"}}},
"EmbedRequest": {"allOf": [{"$ref": "#/components/schemas/EmbedAllRequest"}, {"type": "object", "properties": {
  "normalize": {"type": "boolean", "default": true},
  "dimensions": {"type": "integer", "minimum": 1, "nullable": true, "default": null}}}]},
"Vector": {"type": "array", "items": {"type": "number", "format": "float"}},
"Embeddings": {"type": "array", "items": {"$ref": "#/components/schemas/Vector"}},
"TokenEmbeddings": {"type": "array", "items": {"$ref": "#/components/schemas/Embeddings"}},
"EmbedHybridRequest": {"allOf": [{"$ref": "#/components/schemas/EmbedAllRequest"}, {"type": "object", "properties": {
  "normalize": {"type": "boolean", "default": true},
  "return": {"type": "array", "items": {"type": "string", "enum": ["dense", "sparse", "colbert"]},
    "description": "default: what the model has"}}}]},
"Sparse": {"type": "array", "items": {"type": "object", "properties": {
  "index": {"type": "integer"}, "value": {"type": "number", "format": "float"}}}},
"SparseEmbeddings": {"type": "array", "items": {"$ref": "#/components/schemas/Sparse"}},
"HybridEmbeddings": {"type": "array", "items": {"type": "object", "properties": {
  "dense": {"$ref": "#/components/schemas/Vector"},
  "sparse": {"$ref": "#/components/schemas/Sparse"},
  "colbert": {"$ref": "#/components/schemas/Embeddings"}}}},
"RerankRequest": {"type": "object", "required": ["query", "texts"], "properties": {
  "query": {"type": "string"}, "texts": {"$ref": "#/components/schemas/Texts"},
  "truncate": {"type": "boolean", "nullable": true, "default": null},
  "truncation_direction": {"type": "string", "enum": ["left", "right", "Left", "Right"], "default": "right"},
  "raw_scores": {"type": "boolean", "default": false, "description": "logits"},
  "return_text": {"type": "boolean", "default": false}}},
"Ranking": {"type": "array", "items": {"type": "object", "properties": {
  "index": {"type": "integer"}, "score": {"type": "number", "format": "float"}, "text": {"type": "string"}}}},
"PredictRequest": {"type": "object", "required": ["inputs"], "properties": {
  "inputs": {"description": "A text, a pair of texts, or an array of lists of one or two.", "oneOf": [
    {"type": "string"}, {"$ref": "#/components/schemas/Texts"},
    {"type": "array", "items": {"$ref": "#/components/schemas/Texts"}}]},
  "truncate": {"type": "boolean", "nullable": true, "default": null},
  "truncation_direction": {"type": "string", "enum": ["left", "right", "Left", "Right"], "default": "right"},
  "raw_scores": {"type": "boolean", "default": false, "description": "logits"}}},
"Labels": {"type": "array", "items": {"type": "object", "properties": {
  "label": {"type": "string"}, "score": {"type": "number", "format": "float"}}}},
"Prediction": {"oneOf": [{"$ref": "#/components/schemas/Labels"},
  {"type": "array", "items": {"$ref": "#/components/schemas/Labels"}}]},
"PredictTokensRequest": {"type": "object", "required": ["inputs"], "properties": {
  "inputs": {"oneOf": [{"type": "string"}, {"$ref": "#/components/schemas/Texts"}]},
  "truncate": {"type": "boolean", "nullable": true, "default": null},
  "truncation_direction": {"type": "string", "enum": ["left", "right", "Left", "Right"], "default": "right"},
  "aggregation": {"type": "string", "enum": ["none", "simple", "first", "average", "max"], "default": "simple"}}},
"Spans": {"type": "array", "items": {"type": "object", "properties": {
  "start": {"type": "integer", "description": "code points"}, "end": {"type": "integer"},
  "label": {"type": "string"}, "score": {"type": "number", "format": "float"}, "text": {"type": "string"}}}},
"TokenPrediction": {"oneOf": [{"$ref": "#/components/schemas/Spans"},
  {"type": "array", "items": {"$ref": "#/components/schemas/Spans"}}]},
"SimilarityRequest": {"type": "object", "required": ["inputs"], "properties": {
  "inputs": {"type": "object", "required": ["source_sentence", "sentences"], "properties": {
    "source_sentence": {"type": "string"}, "sentences": {"$ref": "#/components/schemas/Texts"}}},
  "parameters": {"type": "object", "nullable": true, "properties": {
    "truncate": {"$ref": "#/components/schemas/Truncate"},
    "truncation_direction": {"type": "string", "enum": ["left", "right", "Left", "Right"], "default": "right"},
    "prompt_name": {"type": "string", "nullable": true, "default": null}}}}},
"RootRequest": {"oneOf": [{"$ref": "#/components/schemas/EmbedRequest"},
  {"$ref": "#/components/schemas/RerankRequest"}, {"$ref": "#/components/schemas/PredictRequest"},
  {"$ref": "#/components/schemas/PredictTokensRequest"}, {"$ref": "#/components/schemas/EmbedHybridRequest"},
  {"$ref": "#/components/schemas/SimilarityRequest"}]},
"RootAnswer": {"oneOf": [{"$ref": "#/components/schemas/Embeddings"}, {"$ref": "#/components/schemas/Ranking"},
  {"$ref": "#/components/schemas/Prediction"}, {"$ref": "#/components/schemas/TokenPrediction"},
  {"$ref": "#/components/schemas/SparseEmbeddings"}, {"$ref": "#/components/schemas/HybridEmbeddings"},
  {"$ref": "#/components/schemas/Vector"}]},
"OpenAiEmbeddingsRequest": {"type": "object", "required": ["input"], "properties": {
  "input": {"$ref": "#/components/schemas/InputList"},
  "model": {"type": "string"},
  "encoding_format": {"type": "string", "enum": ["float", "base64"], "default": "float"},
  "dimensions": {"type": "integer", "minimum": 1, "nullable": true, "default": null},
  "user": {"type": "string"}}},
"OpenAiEmbeddings": {"type": "object", "properties": {
  "object": {"type": "string", "enum": ["list"]},
  "data": {"type": "array", "items": {"type": "object", "properties": {
    "object": {"type": "string", "enum": ["embedding"]},
    "index": {"type": "integer"},
    "embedding": {"oneOf": [{"$ref": "#/components/schemas/Vector"},
      {"type": "string", "format": "byte", "description": "little-endian fp32"}]}}}},
  "model": {"type": "string"},
  "usage": {"type": "object", "properties": {
    "prompt_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}}}}},
"OpenAiModels": {"type": "object", "properties": {
  "object": {"type": "string", "enum": ["list"]},
  "data": {"type": "array", "items": {"type": "object", "properties": {
    "id": {"type": "string"}, "object": {"type": "string", "enum": ["model"]},
    "created": {"type": "integer"}, "owned_by": {"type": "string"}}}}}},
"TokenizeRequest": {"type": "object", "required": ["inputs"], "properties": {
  "inputs": {"oneOf": [{"type": "string"}, {"$ref": "#/components/schemas/Texts"}]},
  "add_special_tokens": {"type": "boolean", "default": true},
  "prompt_name": {"type": "string", "nullable": true, "default": null}}},
"Tokens": {"type": "array", "items": {"type": "array", "items": {"type": "object", "properties": {
  "id": {"type": "integer"}, "text": {"type": "string"}, "special": {"type": "boolean"},
  "start": {"type": "integer", "nullable": true, "description": "code points"},
  "stop": {"type": "integer", "nullable": true}}}}},
"DecodeRequest": {"type": "object", "required": ["ids"], "properties": {
  "ids": {"oneOf": [{"$ref": "#/components/schemas/Ids"},
    {"type": "array", "items": {"$ref": "#/components/schemas/Ids"}}]},
  "skip_special_tokens": {"type": "boolean", "default": true}}},
"Ids": {"type": "array", "items": {"type": "integer", "minimum": 0}},
"Texts": {"type": "array", "items": {"type": "string"}},
"Info": {"type": "object", "properties": {
  "model_id": {"type": "string"}, "model_sha": {"type": "string", "nullable": true},
  "model_dtype": {"type": "string"}, "served_model_name": {"type": "string"},
  "model_type": {"type": "object"}, "max_concurrent_requests": {"type": "integer"},
  "max_input_length": {"type": "integer"}, "max_batch_tokens": {"type": "integer"},
  "max_batch_requests": {"type": "integer"}, "max_client_batch_size": {"type": "integer"},
  "auto_truncate": {"type": "boolean"}, "tokenization_workers": {"type": "integer"},
  "version": {"type": "string"}, "sha": {"type": "string", "nullable": true}}},
"TeiError": {"type": "object", "properties": {
  "error": {"type": "string"},
  "error_type": {"type": "string",
    "enum": ["Empty", "Validation", "Tokenizer", "Backend", "Overloaded", "Unhealthy"]}}},
"OpenAiError": {"type": "object", "properties": {"error": {"type": "object", "properties": {
  "message": {"type": "string"}, "type": {"type": "string"},
  "param": {"type": "string", "nullable": true}, "code": {"type": "string", "nullable": true}}}}}
})json";

constexpr std::string_view kJsonContent =
    R"("content":{{"application/json":{{"schema":{{"$ref":"#/components/schemas/{}"}}}}}})";

std::string operation(const Route& route) {
  std::string out = "{\"summary\":";
  json::append_string(out, route.summary);
  if (!route.request_schema.empty()) {
    out += ",\"requestBody\":{\"required\":true," +
           fmt::format(kJsonContent, route.request_schema) + "}";
  }
  out += ",\"responses\":{\"200\":{\"description\":\"OK\"";
  if (!route.response_schema.empty()) out += "," + fmt::format(kJsonContent, route.response_schema);
  out += "},\"default\":{\"description\":\"Error\",";
  out += fmt::format(kJsonContent, route.errors == ErrorStyle::kTei ? "TeiError" : "OpenAiError") +
         "}}";
  if (route.access == Access::kNeedsKey) out += ",\"security\":[{\"key\":[]},{}]";
  return out += '}';
}

// The paths in the table's order, each once.
std::vector<std::string_view> distinct_paths(std::span<const Route> routes) {
  std::vector<std::string_view> paths;
  for (const Route& route : routes) {
    if (std::find(paths.begin(), paths.end(), route.path) == paths.end())
      paths.push_back(route.path);
  }
  return paths;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

constexpr std::string_view kPageHead = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>wde</title><style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td { border-top: 1px solid #ccc; padding: .3rem .6rem; vertical-align: top; }
code, pre { font-family: ui-monospace, monospace; font-size: 90%; }
pre { background: #f4f4f4; padding: .8rem; overflow-x: auto; }
</style></head><body>
)html";

constexpr std::string_view kPageExamples = R"html(
<h2>Try it</h2>
<pre>curl -s $URL/embed -d '{"inputs": ["a text", "another one"]}'
curl -s $URL/v1/embeddings -d '{"input": "a text", "encoding_format": "float"}'
curl -s $URL/tokenize -d '{"inputs": "a text"}'</pre>
<p>Every field of every body: <a href="openapi.json">openapi.json</a>.</p>
</body></html>
)html";

}  // namespace

std::string openapi_document(std::span<const Route> routes, std::string_view version) {
  std::string out = R"({"openapi":"3.0.3","info":{"title":"wde","version":)";
  json::append_string(out, version);
  out += "},\"paths\":{";
  for (const std::string_view path : distinct_paths(routes)) {
    if (out.back() != '{') out += ',';
    json::append_string(out, path);
    out += ":{";
    for (const Route& route : routes) {
      if (route.path != path) continue;
      if (out.back() != '{') out += ',';
      json::append_string(out, lower_case(route.method));
      out += ':' + operation(route);
    }
    out += '}';
  }
  out +=
      R"(},"components":{"securitySchemes":{"key":{"type":"http","scheme":"bearer"}},"schemas":)";
  out += kSchemas;
  return out += "}}";
}

std::string docs_page(std::span<const Route> routes, std::string_view model,
                      std::string_view version) {
  std::string out(kPageHead);
  out += fmt::format("<h1>wde {}</h1>\n<p>This server computes with <b>{}</b>.</p>\n<table>\n",
                     escape_html(version), escape_html(model));
  for (const Route& route : routes) {
    out += fmt::format("<tr><td>{}</td><td><code>{}</code></td><td>{}</td></tr>\n", route.method,
                       route.path, escape_html(route.summary));
  }
  out += "</table>";
  return out += kPageExamples;
}

}  // namespace wde::http
