// ModernBERT (Warner et al. 2024, arXiv:2412.13663): pre-norm blocks with rotary positions and
// gated feed-forwards; most blocks look at a window around each token only.
#pragma once

#include <memory>
#include <vector>

#include "base/json.h"
#include "checkpoint/weight_source.h"
#include "layers/rotary_embedding.h"
#include "models/model.h"
#include "models/weights.h"

namespace wde::models {

// L layers, C hidden, F intermediate, H heads.
struct ModernBertConfig {
  int64_t layers = 0, hidden_size = 0, intermediate_size = 0, heads = 0;
  int64_t vocab_size = 0, max_positions = 0;
  float norm_epsilon = 1e-5f;
  ops::Activation activation = ops::Activation::kGeluErf;
  Bias norm_bias = Bias::kAbsent, attention_bias = Bias::kAbsent, mlp_bias = Bias::kAbsent;
  std::vector<bool> local;  // [L]: whether a block sees a window only
  int64_t window = 0;       // tokens to each side of the one that looks
  layers::RopeConfig global_rope, local_rope;

  // config.json of a ModernBertModel, as transformers 4 and 5 write it. Errors: kDataLoss (a field
  // that is missing, of a wrong type or out of range), kUnsupported (a field's value that this
  // model does not implement); each names the field.
  static Result<ModernBertConfig> from_json(const json::object& config);
};

struct ModernBertModel {
  // Errors: those of ModernBertConfig.
  static Result<ModelTraits> traits(const json::object& config);
  // Errors: those of ModernBertConfig, of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const json::object& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);
};

}  // namespace wde::models
