#include "workflow/labels.h"

#include <charconv>
#include <optional>

#include "base/status.h"
#include "ops/ops.h"

namespace wde::workflow {
namespace {

constexpr size_t kMaxLabels = 1 << 20;

std::optional<size_t> parse_id(std::string_view text) {
  size_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

Result<std::vector<std::string>> unnamed_labels(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(const int64_t count, json::get_int(config, "num_labels", 2));
  if (count < 1 || count > static_cast<int64_t>(kMaxLabels)) {
    return data_loss_error("\"num_labels\" is {}", count);
  }
  std::vector<std::string> labels;
  for (int64_t i = 0; i < count; ++i) labels.push_back(fmt::format("LABEL_{}", i));
  return labels;
}

// Where sentence-transformers' releases keep a cross-encoder's activation, in the order in which it
// looks; empty where they don't.
Result<std::string> activation_name(const checkpoint::ModelFolder& folder) {
  if (!folder.activation_fn.empty()) return folder.activation_fn;
  WDE_ASSIGN_OR_RETURN(const json::object* section,
                       json::get_object(folder.config, "sentence_transformers"));
  if (section != nullptr) {
    WDE_ASSIGN_OR_RETURN(const std::string name, json::get_string(*section, "activation_fn", ""));
    if (!name.empty()) return name;
  }
  return json::get_string(folder.config, "sbert_ce_default_activation_function", "");
}

}  // namespace

Result<std::vector<std::string>> read_labels(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(const json::object* id2label, json::get_object(config, "id2label"));
  if (id2label == nullptr || id2label->empty()) return unnamed_labels(config);
  std::vector<std::string> labels(id2label->size());
  std::vector<bool> named(labels.size(), false);
  for (const auto& member : *id2label) {
    const std::optional<size_t> id = parse_id(member.key());
    if (!id || *id >= labels.size() || named[*id]) {
      return data_loss_error("\"id2label\" must name the ids 0 to {}; \"{}\" is none of them",
                             labels.size() - 1, std::string_view(member.key()));
    }
    WDE_ASSIGN_OR_RETURN(labels[*id], json::get_string(*id2label, member.key(), ""));
    named[*id] = true;
  }
  return labels;
}

Result<pipeline::ScoreFunction> read_classify_scores(const json::object& config, size_t labels) {
  WDE_ASSIGN_OR_RETURN(const std::string type, json::get_string(config, "problem_type", ""));
  if (type == "regression") return pipeline::ScoreFunction::kIdentity;
  if (type == "multi_label_classification") return pipeline::ScoreFunction::kSigmoid;
  if (!type.empty() && type != "single_label_classification") {
    return unsupported_error(
        "problem_type \"{}\" is not supported; \"regression\", \"single_label_classification\" "
        "and \"multi_label_classification\" are",
        type);
  }
  return labels == 1 ? pipeline::ScoreFunction::kSigmoid : pipeline::ScoreFunction::kSoftmax;
}

Result<pipeline::ScoreFunction> read_rerank_scores(const checkpoint::ModelFolder& folder) {
  WDE_ASSIGN_OR_RETURN(const std::string name, activation_name(folder));
  if (name.empty()) return pipeline::ScoreFunction::kSigmoid;
  const Result<ops::Activation> activation = ops::parse_activation(name);
  if (activation.ok() && *activation == ops::Activation::kSigmoid) {
    return pipeline::ScoreFunction::kSigmoid;
  }
  if (activation.ok() && *activation == ops::Activation::kNone) {
    return pipeline::ScoreFunction::kIdentity;
  }
  return unsupported_error(
      "the cross-encoder's activation \"{}\" is not supported; Sigmoid and Identity are", name);
}

}  // namespace wde::workflow
