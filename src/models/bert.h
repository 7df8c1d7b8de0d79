// BERT (Devlin et al. 2019, arXiv:1810.04805) and the models that are BERT with other embeddings,
// positions or names: token, position and type embeddings, layer norm, post-norm encoder blocks.
// A relative is a function from its config.json to a BertConfig.
#pragma once

#include <memory>
#include <vector>

#include "base/json.h"
#include "checkpoint/weight_source.h"
#include "layers/load_context.h"
#include "models/bert_parts.h"
#include "models/model.h"

namespace wde::models {

class BertEncoder final : public Model {
 public:
  // Errors: those of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const BertConfig& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);

  std::vector<ModuleChoice> choices() const override;
  TensorView forward(ops::OpContext& context, const layers::TokenBatch& batch) const override;

 private:
  // The first block of layer l's group.
  int64_t first_block(int64_t l) const;

  int64_t hidden_size_ = 0;
  int64_t layers_ = 0, groups_ = 0, inner_layers_ = 1;
  DType dtype_ = DType::kF32;
  BertEmbeddings embeddings_;
  std::vector<layers::EncoderBlock> blocks_;  // of all groups
};

// The registry's entry points of one relative.
template <Result<BertConfig> (*kRead)(const json::object& config)>
struct BertRelative {
  // Errors: those of kRead.
  static Result<ModelTraits> traits(const json::object& json) {
    WDE_ASSIGN_OR_RETURN(const BertConfig config, kRead(json));
    return bert_traits(config);
  }
  // Errors: those of kRead and of BertEncoder::load.
  static Result<std::unique_ptr<Model>> load(const json::object& json,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context) {
    WDE_ASSIGN_OR_RETURN(const BertConfig config, kRead(json));
    return BertEncoder::load(config, source, context);
  }
};

using BertModel = BertRelative<&BertConfig::from_json>;

}  // namespace wde::models
