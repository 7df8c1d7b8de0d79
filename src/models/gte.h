// GTE v1.5 and its relatives (Zhang et al. 2024, arXiv:2407.19669): BERT with rotary positions and
// gated feed-forwards. "NewModel" on the hub, "GteModel" in transformers 5.
#pragma once

#include <memory>

#include "base/json.h"
#include "checkpoint/weight_source.h"
#include "layers/load_context.h"
#include "layers/rotary_embedding.h"
#include "models/model.h"

namespace wde::models {

// L layers, C hidden, F intermediate, H heads.
struct GteConfig {
  int64_t layers = 0, hidden_size = 0, intermediate_size = 0, heads = 0;
  int64_t vocab_size = 0, max_positions = 0;
  int64_t type_vocab_size = 0;  // 0: no token types
  float layer_norm_epsilon = 1e-12f;
  ops::Activation activation = ops::Activation::kGeluErf;
  bool rotary = true;  // else position embeddings
  layers::RopeConfig rope;

  // Errors: kDataLoss (a field that is missing, of a wrong type or out of range), kUnsupported (a
  // field's value that this model does not implement); each names the field.
  static Result<GteConfig> from_json(const json::object& config);
};

struct GteModel {
  // Errors: those of GteConfig.
  static Result<ModelTraits> traits(const json::object& config);
  // Errors: those of GteConfig, of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const json::object& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);
};

}  // namespace wde::models
