// The bodies of the routes for the tasks beside embed and hidden.
#include "base/json.h"
#include "base/status.h"
#include "entrypoints/http/bodies.h"
#include "entrypoints/http/body_fields.h"

namespace wde::http {
namespace {

Status predict_error() {
  return invalid_argument_error(
      "\"inputs\" must be a string, a pair of strings, or an array of lists of one or two strings");
}

// ["a"] or ["a","b"].
Result<Input> parse_text_or_pair(const json::array& list) {
  if (list.empty() || list.size() > 2) return predict_error();
  for (const json::value& item : list) {
    if (!item.is_string()) return predict_error();
  }
  std::string first(list.front().as_string());
  if (list.size() == 1) return Input(std::move(first));
  return Input(TextPair{std::move(first), std::string(list.back().as_string())});
}

Result<InputList> parse_predict_inputs(const json::object& from) {
  WDE_ASSIGN_OR_RETURN(const json::value* member, require_member(from, "inputs"));
  InputList inputs;
  if (const auto* text = member->if_string()) {
    inputs.items.emplace_back(std::string(*text));
    return inputs;
  }
  const json::array* list = member->if_array();
  if (list == nullptr) return predict_error();
  if (list->empty()) return empty_input_error("\"inputs\" must not be empty");
  inputs.batch = list->front().is_array();
  if (!inputs.batch) {
    WDE_ASSIGN_OR_RETURN(Input input, parse_text_or_pair(*list));
    inputs.items.push_back(std::move(input));
    return inputs;
  }
  for (const json::value& item : *list) {
    if (!item.is_array()) return predict_error();
    WDE_ASSIGN_OR_RETURN(Input input, parse_text_or_pair(item.as_array()));
    inputs.items.push_back(std::move(input));
  }
  return inputs;
}

Status parse_wanted(const json::object& from, HybridBody* body) {
  if (!is_present(from, "return")) return {};
  WDE_ASSIGN_OR_RETURN(const std::vector<std::string> names, parse_texts(from, "return"));
  for (const std::string& name : names) {
    if (name == "dense") {
      body->dense = true;
    } else if (name == "sparse") {
      body->sparse = true;
    } else if (name == "colbert") {
      body->token_vectors = true;
    } else {
      return invalid_argument_error(
          "\"return\" may hold \"dense\", \"sparse\" and \"colbert\", not \"{}\"", name);
    }
  }
  return {};
}

}  // namespace

Result<HybridBody> parse_hybrid_request(std::string_view text) {
  WDE_ASSIGN_OR_RETURN(const json::object from, parse_object(text));
  HybridBody body;
  WDE_ASSIGN_OR_RETURN(body.inputs, parse_inputs(from, "inputs"));
  WDE_ASSIGN_OR_RETURN(body.options, parse_text_options(from));
  WDE_ASSIGN_OR_RETURN(body.normalize, field(json::get_bool(from, "normalize", true)));
  WDE_RETURN_IF_ERROR(parse_wanted(from, &body));
  return body;
}

Result<RerankBody> parse_rerank_request(std::string_view text) {
  WDE_ASSIGN_OR_RETURN(const json::object from, parse_object(text));
  RerankBody body;
  WDE_ASSIGN_OR_RETURN(body.query, parse_text(from, "query"));
  WDE_ASSIGN_OR_RETURN(body.texts, parse_texts(from, "texts"));
  WDE_ASSIGN_OR_RETURN(body.options, parse_text_options(from));
  WDE_ASSIGN_OR_RETURN(body.raw_scores, field(json::get_bool(from, "raw_scores", false)));
  WDE_ASSIGN_OR_RETURN(body.return_text, field(json::get_bool(from, "return_text", false)));
  return body;
}

Result<PredictBody> parse_predict_request(std::string_view text) {
  WDE_ASSIGN_OR_RETURN(const json::object from, parse_object(text));
  PredictBody body;
  WDE_ASSIGN_OR_RETURN(body.inputs, parse_predict_inputs(from));
  WDE_ASSIGN_OR_RETURN(body.options, parse_text_options(from));
  WDE_ASSIGN_OR_RETURN(body.raw_scores, field(json::get_bool(from, "raw_scores", false)));
  return body;
}

Result<PredictTokensBody> parse_predict_tokens_request(std::string_view text) {
  WDE_ASSIGN_OR_RETURN(const json::object from, parse_object(text));
  PredictTokensBody body;
  WDE_ASSIGN_OR_RETURN(body.inputs, parse_inputs(from, "inputs"));
  for (const Input& input : body.inputs.items) {
    if (!std::holds_alternative<std::string>(input)) {
      return invalid_argument_error("\"inputs\" must be a string or an array of strings");
    }
  }
  WDE_ASSIGN_OR_RETURN(body.options, parse_text_options(from));
  WDE_ASSIGN_OR_RETURN(const auto name, parse_optional_string(from, "aggregation"));
  if (!name) return body;
  body.aggregation = parse_aggregation(*name);
  if (body.aggregation) return body;
  return invalid_argument_error(
      "\"aggregation\" must be none, simple, first, average or max, not \"{}\"", *name);
}

Result<SimilarityBody> parse_similarity_request(std::string_view text) {
  WDE_ASSIGN_OR_RETURN(const json::object from, parse_object(text));
  WDE_ASSIGN_OR_RETURN(const json::object* inputs, field(json::get_object(from, "inputs")));
  if (inputs == nullptr) return invalid_argument_error("\"inputs\" is missing");
  SimilarityBody body;
  WDE_ASSIGN_OR_RETURN(body.source, parse_text(*inputs, "source_sentence"));
  WDE_ASSIGN_OR_RETURN(body.sentences, parse_texts(*inputs, "sentences"));
  WDE_ASSIGN_OR_RETURN(const json::object* parameters, field(json::get_object(from, "parameters")));
  if (parameters != nullptr) {
    WDE_ASSIGN_OR_RETURN(body.options, parse_text_options(*parameters));
  }
  return body;
}

}  // namespace wde::http
