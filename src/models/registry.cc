#include "models/registry.h"

#include "models/bert.h"

namespace wde::models {
namespace {

constexpr ModelEntry kModels[] = {
    {"BertModel", "BERT encoder: MiniLM, bge-*-v1.5, e5, gte, mxbai, arctic-embed v1, …",
     &BertModel::traits, &BertModel::load},
    // Checkpoints with a head for pre-training, of which the encoder alone is used.
    {"BertForMaskedLM", "the encoder of a masked language model", &BertModel::traits,
     &BertModel::load},
    {"BertForPreTraining", "the encoder of a pre-trained model", &BertModel::traits,
     &BertModel::load},
};

}  // namespace

std::span<const ModelEntry> model_entries() { return kModels; }

const ModelEntry* find_model(std::string_view architecture) {
  for (const ModelEntry& entry : kModels) {
    if (entry.architecture == architecture) return &entry;
  }
  return nullptr;
}

}  // namespace wde::models
