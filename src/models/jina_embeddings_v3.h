// jina-embeddings-v3 (Sturua et al. 2024, arXiv:2409.10173): XLM-RoBERTa with rotary positions and,
// on every embedding and linear layer, a low-rank adapter for each of five tasks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "checkpoint/weight_source.h"
#include "layers/encoder_block.h"
#include "layers/load_context.h"
#include "layers/rotary_embedding.h"
#include "models/model.h"

namespace wde::models {

// L layers, C hidden, F intermediate, H heads.
struct JinaEmbeddingsV3Config {
  int64_t layers = 0, hidden_size = 0, intermediate_size = 0, heads = 0;
  int64_t vocab_size = 0, max_positions = 0, type_vocab_size = 0;
  float layer_norm_epsilon = 1e-5f;
  ops::Activation activation = ops::Activation::kGeluErf;
  layers::RopeConfig rope;
  ops::RopePairs pairs = ops::RopePairs::kHalves;
  std::vector<std::string> adapters;  // their names; empty for none
  int64_t adapter_rank = 0;
  float adapter_scale = 0;

  // config.json by the hub's code (an XLMRobertaModel with position_embedding_type "rotary") or by
  // transformers 5. Errors: kDataLoss (a field that is missing, of a wrong type or out of range),
  // kUnsupported (a field's value that this model does not implement); each names the field.
  static Result<JinaEmbeddingsV3Config> from_json(const json::object& config);
};

class JinaEmbeddingsV3Model final : public Model {
 public:
  // Errors: those of JinaEmbeddingsV3Config.
  static Result<ModelTraits> traits(const json::object& config);
  // Errors: those of JinaEmbeddingsV3Config, of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const json::object& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);

  std::vector<ModuleChoice> choices() const override;
  TensorView forward(ops::OpContext& context, const layers::TokenBatch& batch) const override;

  // What an adapter does to the embeddings: word W[id] + scale * A[id] B, type table whole.
  struct EmbeddingAdapter {
    TensorView word_down;           // A: [V, r]
    std::unique_ptr<ops::Gemm> up;  // scale * B, transposed: [C, r]; null after a planning load
    TensorView type_embeddings;     // [Y, C]
  };

 private:
  int64_t hidden_size_ = 0;
  DType dtype_ = DType::kF32;
  TensorView word_embeddings_, type_embeddings_;
  std::vector<EmbeddingAdapter> adapters_;
  layers::LayerNorm embedding_norm_;
  std::vector<layers::EncoderBlock> blocks_;
};

// Whether the config of an XLMRobertaModel means this model.
bool has_rotary_positions(const json::object& config);

}  // namespace wde::models
