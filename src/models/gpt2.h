// GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"): pre-norm
// blocks of layer norms, causal attention and a plain feed-forward over learned positions.
#pragma once

#include <memory>

#include "attention/attention.h"
#include "base/json.h"
#include "checkpoint/weight_source.h"
#include "layers/load_context.h"
#include "models/model.h"

namespace wde::models {

// L layers, C hidden, F intermediate, H heads.
struct Gpt2Config {
  int64_t layers = 0, hidden_size = 0, intermediate_size = 0, heads = 0;
  int64_t vocab_size = 0, max_positions = 0;
  float epsilon = 1e-5f;
  ops::Activation activation = ops::Activation::kGeluTanh;
  attention::MaskKind mask = attention::MaskKind::kCausal;
  bool scaled = true;            // scores by the inverse square root of the head size
  bool scaled_by_layer = false;  // and by the inverse of the layer's number, from 1

  // config.json of a GPT2Model, as transformers 4 and 5 write it. Errors: kDataLoss (a field that
  // is missing, of a wrong type or out of range), kUnsupported (a field's value that this model
  // does not implement); each names the field.
  static Result<Gpt2Config> from_json(const json::object& config);
};

// The registry's entry points.
struct Gpt2Model {
  // Errors: those of Gpt2Config.
  static Result<ModelTraits> traits(const json::object& config);
  // Errors: those of Gpt2Config, of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const json::object& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);
};

}  // namespace wde::models
