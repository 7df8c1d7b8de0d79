// JinaBERT (Günther et al. 2023, arXiv:2310.19923), of jina-embeddings-v2: BERT whose attention
// knows distances by ALiBi (Press et al. 2022, arXiv:2108.12409), with gated feed-forwards.
#pragma once

#include <memory>
#include <vector>

#include "base/json.h"
#include "checkpoint/weight_source.h"
#include "layers/load_context.h"
#include "models/model.h"

namespace wde::models {

// L layers, C hidden, F intermediate, H heads.
struct JinaBertConfig {
  int64_t layers = 0, hidden_size = 0, intermediate_size = 0, heads = 0;
  int64_t vocab_size = 0, max_positions = 0, type_vocab_size = 0;
  float layer_norm_epsilon = 1e-12f;
  ops::Activation activation = ops::Activation::kGeluErf;

  // Errors: kDataLoss (a field that is missing, of a wrong type or out of range), kUnsupported (a
  // field's value that this model does not implement); each names the field.
  static Result<JinaBertConfig> from_json(const json::object& config);
};

// ALiBi's slope of every head: a geometric sequence, and for a number of heads that is no power of
// two every other slope of the next power in between (Press et al. 2022, footnote 6 and code).
std::vector<float> alibi_slopes(int64_t heads);

struct JinaBertModel {
  // Errors: those of JinaBertConfig.
  static Result<ModelTraits> traits(const json::object& config);
  // Errors: those of JinaBertConfig, of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const json::object& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);
};

}  // namespace wde::models
