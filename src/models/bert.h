// BERT (Devlin et al. 2019, arXiv:1810.04805) and the models that are BERT with other embeddings,
// positions or names: token, position and type embeddings, layer norm, post-norm encoder blocks.
// A relative is a function from its config.json to a BertConfig.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "checkpoint/weight_source.h"
#include "layers/encoder_block.h"
#include "layers/load_context.h"
#include "models/model.h"
#include "models/weights.h"

namespace wde::models {

// What a relative calls its tensors.
struct BertNames {
  std::string_view prefix = "bert.";  // before every name where the checkpoint carries a head
  // From the embeddings' size to the model's: [C, E]. Empty where the sizes are the same.
  std::string_view projection;
  std::string_view layer = "encoder.layer.";  // then the layer's number (the group's: ALBERT)
  std::string_view inner_layer;  // then its number in the group, where there are groups
  std::string_view query = "attention.self.query";
  std::string_view key = "attention.self.key";
  std::string_view value = "attention.self.value";
  std::string_view attention_output = "attention.output.dense";
  std::string_view attention_norm = "attention.output.LayerNorm";
  std::string_view up = "intermediate.dense";
  std::string_view down = "output.dense";
  std::string_view output_norm = "output.LayerNorm";
};

// L layers, C hidden, F intermediate, H heads, E embedding.
struct BertConfig {
  int64_t layers = 0, hidden_size = 0, intermediate_size = 0, heads = 0;
  int64_t vocab_size = 0, max_positions = 0;
  int64_t type_vocab_size = 0;  // 0: no token types
  int64_t groups = 0;           // layers share the weights of so many groups; 0: each has its own
  int64_t inner_layers = 1;     // blocks in a group, one after the other
  int64_t embedding_size = 0;   // C unless names.projection says from where
  int64_t position_offset = 0;  // of a sequence's first token
  int64_t padding_id = -1;      // a token without a position of its own (ModelTraits); -1: none
  float layer_norm_epsilon = 1e-12f;
  ops::Activation activation = ops::Activation::kGeluErf;
  BertNames names;

  // config.json of a BertModel. Errors: kDataLoss (a field that is missing, of a wrong type or out
  // of range), kUnsupported (a field that this model does not implement, as position_embedding_type
  // "relative_key"); each names the field.
  static Result<BertConfig> from_json(const json::object& config);
};

class BertEncoder final : public Model {
 public:
  static ModelTraits traits(const BertConfig& config);
  // Errors: those of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const BertConfig& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);

  std::vector<ModuleChoice> choices() const override;
  TensorView forward(ops::OpContext& context, const layers::TokenBatch& batch) const override;

 private:
  Status load_embeddings(const BertConfig& config, const Weights& weights,
                         layers::LoadContext& context);
  void embed(ops::OpContext& context, const layers::TokenBatch& batch, const TensorView& x) const;

  // The first block of layer l's group.
  int64_t first_block(int64_t l) const;

  int64_t hidden_size_ = 0, embedding_size_ = 0;
  int64_t layers_ = 0, groups_ = 0, inner_layers_ = 1;
  DType dtype_ = DType::kF32;
  TensorView word_embeddings_, position_embeddings_, type_embeddings_;
  layers::LayerNorm embedding_norm_;
  std::optional<layers::Linear> projection_;
  std::vector<layers::EncoderBlock> blocks_;  // of all groups
};

// The registry's entry points of one relative.
template <Result<BertConfig> (*kRead)(const json::object& config)>
struct BertRelative {
  // Errors: those of kRead.
  static Result<ModelTraits> traits(const json::object& json) {
    WDE_ASSIGN_OR_RETURN(const BertConfig config, kRead(json));
    return BertEncoder::traits(config);
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
