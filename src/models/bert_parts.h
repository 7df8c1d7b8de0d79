// What BERT and its relatives are made of: their config in one form, whatever names their
// config.json and checkpoint give things, and the parts loaded by it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "layers/encoder_block.h"
#include "layers/load_context.h"
#include "layers/relative_buckets.h"
#include "models/block_weights.h"
#include "models/model.h"
#include "models/weights.h"

namespace wde::models {

// What a relative calls its tensors.
struct BertNames {
  std::string_view prefix = "bert.";  // before every name where the checkpoint carries a head
  std::string_view embedding_norm = "embeddings.LayerNorm";
  // From the embeddings' size to the model's: [C, E]. Empty where the sizes are the same.
  std::string_view projection;
  std::string_view distance_bias;             // [buckets, H], of all layers; empty: there is none
  std::string_view layer = "encoder.layer.";  // then the layer's number (the group's: ALBERT)
  std::string_view inner_layer;  // then its number in the group, where there are groups
  std::string_view packed;       // query, key and value in one; empty: they are apart
  std::string_view query = "attention.self.query";
  std::string_view key = "attention.self.key";
  std::string_view value = "attention.self.value";
  std::string_view attention_output = "attention.output.dense";
  std::string_view attention_norm = "attention.output.LayerNorm";
  std::string_view up = "intermediate.dense";
  std::string_view down = "output.dense";
  std::string_view output_norm = "output.LayerNorm";
};

// Where embeddings are projected: after their norm (ELECTRA, ALBERT), or before it and without a
// bias (DeBERTa).
enum class Projection { kAfterNorm, kBeforeNorm };

// L layers, C hidden, F intermediate, H heads, E embedding.
struct BertConfig {
  int64_t layers = 0, hidden_size = 0, intermediate_size = 0, heads = 0;
  int64_t vocab_size = 0, max_positions = 0;
  int64_t type_vocab_size = 0;  // 0: no token types
  int64_t embedding_size = 0;   // C unless names.projection says from where
  Projection projection = Projection::kAfterNorm;
  bool embeds_positions = true;
  int64_t position_offset = 0;      // of a sequence's first token
  int64_t padding_id = -1;          // a token without a position of its own (ModelTraits); -1: none
  layers::RelativeBuckets buckets;  // of names.distance_bias
  int64_t groups = 0;        // layers share the weights of so many groups; 0: each has its own
  int64_t inner_layers = 1;  // blocks in a group, one after the other
  float layer_norm_epsilon = 1e-12f;
  ops::Activation activation = ops::Activation::kGeluErf;
  BertNames names;

  // config.json of a BertModel. Errors: kDataLoss (a field that is missing, of a wrong type or out
  // of range), kUnsupported (a field that this model does not implement, as position_embedding_type
  // "relative_key"); each names the field.
  static Result<BertConfig> from_json(const json::object& config);
};

// What a relative's config class takes where config.json is silent.
struct BertDefaults {
  int64_t types = 2, fewest_types = 1;
  double epsilon = 1e-12;
  std::string_view activation = "gelu";
};

// The fields that BERT and most relatives share, by BERT's names. Errors: as BertConfig::from_json.
Result<BertConfig> read_bert_config(const json::object& config, const BertDefaults& defaults);

ModelTraits bert_traits(const BertConfig& config);

// Token, position and type embeddings, summed, normalized, and projected where E is not C.
class BertEmbeddings {
 public:
  // Errors: those of the weights (named tensors) and of the layers.
  static Result<BertEmbeddings> load(const BertConfig& config, const Weights& weights,
                                     layers::LoadContext& context);
  // x [T, C].
  void forward(ops::OpContext& context, const layers::TokenBatch& batch, const TensorView& x) const;

 private:
  Status load_tables(const BertConfig& config, const Weights& weights,
                     layers::LoadContext& context);

  int64_t embedding_size_ = 0;
  Projection place_ = Projection::kAfterNorm;
  TensorView words_, positions_, types_;  // data null for what there is none of
  layers::LayerNorm norm_;
  std::optional<layers::Linear> projection_;
};

AttentionShape bert_attention_shape(const BertConfig& config);

// The post-norm block whose tensors' names begin with `prefix`. Errors: as above.
Result<layers::EncoderBlock> load_bert_block(const BertConfig& config, const Weights& weights,
                                             const std::string& prefix,
                                             const attention::AttentionProblem& attention,
                                             layers::LoadContext& context);

}  // namespace wde::models
