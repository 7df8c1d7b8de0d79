// The encoder of T5 (Raffel et al. 2020, arXiv:1910.10683): pre-norm blocks with RMS norms and no
// biases, relative position buckets shared by all layers, attention without a scale.
#pragma once

#include <memory>
#include <vector>

#include "base/json.h"
#include "checkpoint/weight_source.h"
#include "layers/relative_buckets.h"
#include "models/model.h"
#include "models/weights.h"

namespace wde::models {

// L layers, C hidden, F intermediate, H heads of D.
struct T5Config {
  int64_t layers = 0, hidden_size = 0, intermediate_size = 0, heads = 0, head_size = 0;
  int64_t vocab_size = 0;
  int64_t usual_length = 512;  // n_positions: trained on so many tokens; no table ends there
  layers::RelativeBuckets buckets;
  float epsilon = 1e-6f;
  ops::Activation activation = ops::Activation::kRelu;
  bool gated = false;

  // Errors: kDataLoss, kUnsupported; each names the field.
  static Result<T5Config> from_json(const json::object& config);
};

struct T5Encoder {
  // Errors: those of T5Config.
  static Result<ModelTraits> traits(const json::object& config);
  // Errors: those of T5Config, of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const json::object& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);
};

}  // namespace wde::models
