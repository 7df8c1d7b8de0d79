#include "workflow/architecture.h"

#include <fmt/ranges.h>

#include <vector>

#include "base/nearest_name.h"
#include "base/status.h"
namespace wde::workflow {
namespace {

constexpr size_t kNearestShown = 3;

std::vector<std::string> known_architectures() {
  std::vector<std::string> known;
  for (const models::ModelEntry& entry : models::model_entries()) {
    known.emplace_back(entry.architecture);
  }
  for (const heads::Recipe& recipe : heads::recipes()) {
    if (models::find_model(recipe.backbone) != nullptr) known.emplace_back(recipe.architecture);
  }
  return known;
}

std::string_view kind_name(heads::HeadKind kind) {
  switch (kind) {
    case heads::HeadKind::kSequenceClassification:
      return "ForSequenceClassification";
    case heads::HeadKind::kTokenClassification:
      return "ForTokenClassification";
    case heads::HeadKind::kProcessReward:
      return "ForProcessRewardModel";
    case heads::HeadKind::kMaskedLm:
      return "ForMaskedLM";
    case heads::HeadKind::kCausalLm:
      return "ForCausalLM";
  }
  return "?";
}

// Stanford's ColBERT names a class of its own, and the encoder's kind in "model_type".
struct ColbertEncoder {
  std::string_view model_type;
  std::string_view architecture;
};
constexpr ColbertEncoder kColbertEncoders[] = {
    {"bert", "BertModel"},
    {"electra", "ElectraModel"},
    {"roberta", "RobertaModel"},
    {"xlm-roberta", "XLMRobertaModel"},
    {"modernbert", "ModernBertModel"},
};

const models::ModelEntry* find_colbert_encoder(const checkpoint::ModelFolder& folder) {
  const auto type = json::get_string(folder.config, "model_type", "");
  for (const ColbertEncoder& encoder : kColbertEncoders) {
    if (type.ok() && encoder.model_type == *type) return models::find_model(encoder.architecture);
  }
  return nullptr;
}

}  // namespace

Result<Architecture> find_architecture(const checkpoint::ModelFolder& folder) {
  for (const std::string& name : folder.architectures) {
    const heads::Recipe* recipe = heads::find_recipe(name);
    const models::ModelEntry* backbone =
        models::find_model(recipe != nullptr ? recipe->backbone : std::string_view(name));
    if (name == "HF_ColBERT") backbone = find_colbert_encoder(folder);
    if (backbone != nullptr) return Architecture{.backbone = backbone, .recipe = recipe};
  }
  if (folder.architectures.empty()) {
    return unsupported_error("config.json names no \"architectures\"; see: wde list");
  }
  const std::vector<std::string> nearest =
      nearest_names(folder.architectures.front(), known_architectures(), kNearestShown);
  return unsupported_error(
      "architecture {} is not supported{}; see: wde list", fmt::join(folder.architectures, ", "),
      nearest.empty() ? "" : fmt::format("; the nearest: {}", fmt::join(nearest, ", ")));
}

std::string recipe_refusal(const checkpoint::ModelFolder& folder, heads::HeadKind kind) {
  const Result<Architecture> found = find_architecture(folder);
  if (!found.ok()) return found.status().message();
  if (found->recipe != nullptr && found->recipe->kind == kind) return {};
  return fmt::format("architecture {} is no …{}", fmt::join(folder.architectures, ", "),
                     kind_name(kind));
}

}  // namespace wde::workflow
