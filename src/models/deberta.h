// DeBERTa-v2 and -v3 (He et al. 2021, arXiv:2006.03654 and arXiv:2111.09543): BERT whose attention
// has content and relative positions apart.
#pragma once

#include <memory>
#include <vector>

#include "layers/disentangled_positions.h"
#include "models/bert_parts.h"
#include "models/model.h"

namespace wde::models {

struct DebertaConfig {
  BertConfig bert;                   // embeddings and blocks
  bool relative_attention = false;   // else nothing below but the terms' number has a meaning
  bool content_to_position = false;  // pos_att_type: "c2p"
  bool position_to_content = false;  // "p2c"
  bool share_att_key = false;        // positions are projected with the contents' matrices
  bool norm_positions = false;       // norm_rel_ebd: "layer_norm"
  layers::DistanceRows rows;

  // Errors: kDataLoss, kUnsupported (conv_kernel_size, attention_head_size, and what BERT refuses);
  // each names the field.
  static Result<DebertaConfig> from_json(const json::object& config);
};

class DebertaModel final : public Model {
 public:
  // Errors: those of DebertaConfig.
  static Result<ModelTraits> traits(const json::object& config);
  // Errors: those of DebertaConfig, of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const json::object& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);

  std::vector<ModuleChoice> choices() const override;
  TensorView forward(ops::OpContext& context, const layers::TokenBatch& batch) const override;

 private:
  int64_t hidden_size_ = 0;
  DType dtype_ = DType::kF32;
  BertEmbeddings embeddings_;
  std::vector<layers::EncoderBlock> blocks_;
};

}  // namespace wde::models
