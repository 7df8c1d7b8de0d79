// NomicBERT (Nussbaum et al. 2024, arXiv:2402.01613) and its second version with mixtures of
// experts (Nussbaum and Duderstadt 2025, arXiv:2502.07972): BERT with rotary positions, gated
// feed-forwards, and experts in every n-th block.
#pragma once

#include <memory>

#include "base/json.h"
#include "checkpoint/weight_source.h"
#include "layers/load_context.h"
#include "layers/rotary_embedding.h"
#include "models/model.h"
#include "models/weights.h"

namespace wde::models {

// L layers, C hidden, F intermediate, H heads.
struct NomicBertConfig {
  int64_t layers = 0, hidden_size = 0, intermediate_size = 0, heads = 0, head_size = 0;
  int64_t vocab_size = 0, max_positions = 0;
  int64_t type_vocab_size = 0;  // 0: no token types
  float layer_norm_epsilon = 1e-12f;
  ops::Activation activation = ops::Activation::kSilu;
  bool gated = true;  // a gated feed-forward
  Bias attention_bias = Bias::kAbsent, up_bias = Bias::kAbsent, down_bias = Bias::kAbsent;
  layers::RopeConfig rope;
  ops::RopePairs pairs = ops::RopePairs::kHalves;
  int64_t expert_every = 0;  // block l has experts where l % expert_every is 1; 0: none has
  int64_t experts = 0, top_k = 0;

  bool has_experts(int64_t l) const { return expert_every > 0 && l % expert_every == 1; }

  // config.json by the names of the hub's code ("n_embd", …) or by those of transformers 5
  // ("hidden_size", …). Errors: kDataLoss (a field that is missing, of a wrong type or out of
  // range), kUnsupported (a field's value that this model does not implement); each names the
  // field.
  static Result<NomicBertConfig> from_json(const json::object& config);
};

struct NomicBertModel {
  // Errors: those of NomicBertConfig.
  static Result<ModelTraits> traits(const json::object& config);
  // Errors: those of NomicBertConfig, of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const json::object& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);
};

}  // namespace wde::models
