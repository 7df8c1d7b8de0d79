// A table of token vectors and nothing else: model2vec and sentence-transformers' StaticEmbedding
// (the mean of the rows is the pooling's) and SparseStaticEmbedding (a row is one weight). No
// attention, no positions, no norms.
#pragma once

#include <memory>

#include "base/json.h"
#include "checkpoint/weight_source.h"
#include "layers/load_context.h"
#include "models/model.h"

namespace wde::models {

class StaticEmbeddingModel final : public Model {
 public:
  // Of the config that checkpoint/static_table.h makes. Errors: kDataLoss, naming the field.
  static Result<ModelTraits> traits(const json::object& config);
  // Errors: kNotFound, kDataLoss (the table), kResourceExhausted.
  static Result<std::unique_ptr<Model>> load(const json::object& config,
                                             const checkpoint::WeightSource& weights,
                                             layers::LoadContext& context);

  std::vector<ModuleChoice> choices() const override { return {}; }
  TensorView forward(ops::OpContext& context, const layers::TokenBatch& batch) const override;

 private:
  DType dtype_ = DType::kF32;
  int64_t hidden_size_ = 0;
  TensorView table_;  // [V, C]
};

}  // namespace wde::models
