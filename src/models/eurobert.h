// EuroBERT (Boizard et al. 2025, arXiv:2503.05500): Llama's blocks without the causal mask.
#pragma once

#include <memory>
#include <vector>

#include "base/json.h"
#include "checkpoint/weight_source.h"
#include "layers/pre_norm_block.h"
#include "layers/rotary_embedding.h"
#include "models/model.h"
#include "models/weights.h"

namespace wde::models {

// L layers, C hidden, F intermediate, H heads, Hkv key/value heads, D head size.
struct EuroBertConfig {
  int64_t layers = 0, hidden_size = 0, intermediate_size = 0;
  int64_t heads = 0, kv_heads = 0, head_size = 0;
  int64_t vocab_size = 0, max_positions = 0;
  float norm_epsilon = 1e-5f;
  ops::Activation activation = ops::Activation::kSilu;
  Bias attention_bias = Bias::kAbsent, mlp_bias = Bias::kAbsent;
  layers::RopeConfig rope;

  // config.json of a EuroBertModel, as transformers 4 and 5 write it. Errors: kDataLoss (a field
  // that is missing, of a wrong type or out of range), kUnsupported (a field's value that this
  // model does not implement); each names the field.
  static Result<EuroBertConfig> from_json(const json::object& config);
};

class EuroBertModel final : public Model {
 public:
  // Errors: those of EuroBertConfig.
  static Result<ModelTraits> traits(const json::object& config);
  // Errors: those of EuroBertConfig, of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const json::object& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);

  std::vector<ModuleChoice> choices() const override;
  TensorView forward(ops::OpContext& context, const layers::TokenBatch& batch) const override;

 private:
  int64_t hidden_size_ = 0;
  DType dtype_ = DType::kF32;
  TensorView word_embeddings_;
  std::vector<layers::PreNormBlock> blocks_;
  layers::RmsNorm final_norm_;
};

}  // namespace wde::models
