#include "models/static_embedding.h"

#include "models/config_fields.h"
#include "ops/ops.h"

namespace wde::models {
namespace {

// Nothing in the model limits a text; what a batch's buffers are planned for does.
constexpr int kMaxLength = 32768;

}  // namespace

Result<ModelTraits> StaticEmbeddingModel::traits(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(const int64_t hidden_size, get_size(config, "hidden_size"));
  WDE_ASSIGN_OR_RETURN(const int64_t vocab_size, get_size(config, "vocab_size"));
  return ModelTraits{.hidden_size = static_cast<int>(hidden_size),
                     .vocab_size = static_cast<int>(vocab_size),
                     .max_length = kMaxLength};
}

Result<std::unique_ptr<Model>> StaticEmbeddingModel::load(const json::object& config,
                                                          const checkpoint::WeightSource& weights,
                                                          layers::LoadContext& context) {
  WDE_ASSIGN_OR_RETURN(const ModelTraits facts, traits(config));
  WDE_ASSIGN_OR_RETURN(const TensorView table,
                       weights.tensor("embedding.weight", {facts.vocab_size, facts.hidden_size}));
  auto model = std::make_unique<StaticEmbeddingModel>();
  model->dtype_ = context.dtype;
  model->hidden_size_ = facts.hidden_size;
  WDE_ASSIGN_OR_RETURN(model->table_, layers::load_table(context, table));
  return std::unique_ptr<Model>(std::move(model));
}

TensorView StaticEmbeddingModel::forward(ops::OpContext& context,
                                         const layers::TokenBatch& batch) const {
  const TensorView x = context.arena.allocate(dtype_, {batch.tokens(), hidden_size_});
  ops::embedding_sum(
      context, {.ids = batch.ids, .positions = batch.positions, .word_table = table_, .out = x});
  return x;
}

}  // namespace wde::models
