// Every architecture that can be loaded: one visible, ordered table.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "attention/attention.h"
#include "base/json.h"
#include "checkpoint/weight_source.h"
#include "layers/load_context.h"
#include "models/model.h"

namespace wde::models {

struct ModelEntry {
  std::string_view architecture;  // as in config.json's "architectures"
  std::string_view description;
  // Both check the whole config. Errors: kDataLoss, kUnsupported; each names the field.
  Result<ModelTraits> (*traits)(const json::object& config);
  Result<std::unique_ptr<Model>> (*load)(const json::object& config,
                                         const checkpoint::WeightSource& source,
                                         layers::LoadContext& context);
  // Of a decoder: which tokens see which where its config.json does not say
  // (models/decoder_mask.h). Empty: the architecture has one mask only.
  std::optional<attention::MaskKind> decoder_mask = std::nullopt;
  // A table of vectors: a token's does not depend on the others, and no heads lie beside it.
  bool is_table = false;
};

std::span<const ModelEntry> model_entries();

// Null when no entry has the name.
const ModelEntry* find_model(std::string_view architecture);

}  // namespace wde::models
