// BERT (Devlin et al. 2019, arXiv:1810.04805): token, position and type embeddings, post-norm
// encoder blocks.
#pragma once

#include <memory>
#include <vector>

#include "base/json.h"
#include "checkpoint/weight_source.h"
#include "layers/encoder_block.h"
#include "layers/load_context.h"
#include "models/model.h"

namespace wde::models {

// config.json of a BertModel. L layers, C hidden, F intermediate, H heads.
struct BertConfig {
  int64_t layers = 0, hidden_size = 0, intermediate_size = 0, heads = 0;
  int64_t vocab_size = 0, max_positions = 0, type_vocab_size = 0;
  float layer_norm_epsilon = 1e-12f;
  ops::Activation activation = ops::Activation::kGeluErf;

  // Errors: kDataLoss (a field that is missing, of a wrong type or out of range), kUnsupported (a
  // field that this model does not implement, as position_embedding_type "relative_key"); each
  // names the field.
  static Result<BertConfig> from_json(const json::object& config);
};

class BertModel final : public Model {
 public:
  // Errors: those of BertConfig.
  static Result<ModelTraits> traits(const json::object& config);
  // Errors: those of BertConfig, of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const json::object& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);

  std::vector<ModuleChoice> choices() const override;
  TensorView forward(ops::OpContext& context, const layers::TokenBatch& batch) const override;

 private:
  int64_t hidden_size_ = 0;
  DType dtype_ = DType::kF32;
  TensorView word_embeddings_, position_embeddings_, type_embeddings_;
  layers::LayerNorm embedding_norm_;
  std::vector<layers::EncoderBlock> blocks_;
};

}  // namespace wde::models
