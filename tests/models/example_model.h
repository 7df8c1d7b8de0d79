// The worked example of docs/adding-a-model.md: a deep averaging network (Iyyer et al. 2015,
// P15-1162), the smallest text encoder there is. Each token's embedding goes through a feed-forward
// layer and a norm; the pooling of the head takes the average.
#pragma once

#include <memory>

#include "layers/feed_forward.h"
#include "layers/layer_norm.h"
#include "models/config_fields.h"
#include "models/model.h"
#include "models/weights.h"

namespace wde::models {

// V vocabulary, C hidden, F intermediate.
struct DeepAveragingConfig {
  int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0;
  float epsilon = 1e-5f;
  ops::Activation activation = ops::Activation::kRelu;

  // Errors: kDataLoss, kUnsupported (scale_embeddings); each names the field.
  static Result<DeepAveragingConfig> from_json(const json::object& config) {
    DeepAveragingConfig read;
    WDE_ASSIGN_OR_RETURN(read.vocab_size, get_size(config, "vocab_size"));
    WDE_ASSIGN_OR_RETURN(read.hidden_size, get_size(config, "hidden_size"));
    WDE_ASSIGN_OR_RETURN(read.intermediate_size, get_size(config, "intermediate_size"));
    WDE_ASSIGN_OR_RETURN(read.epsilon, get_epsilon(config, "layer_norm_eps", 1e-5));
    WDE_ASSIGN_OR_RETURN(read.activation, get_activation(config, "hidden_act", "relu"));
    WDE_RETURN_IF_ERROR(expect_bool(config, "scale_embeddings", false));
    return read;
  }
};

class DeepAveragingModel final : public Model {
 public:
  // Errors: those of the config.
  static Result<ModelTraits> traits(const json::object& json) {
    WDE_ASSIGN_OR_RETURN(const auto config, DeepAveragingConfig::from_json(json));
    return ModelTraits{.hidden_size = static_cast<int>(config.hidden_size),
                       .vocab_size = static_cast<int>(config.vocab_size),
                       .max_length = 1 << 20,  // there are no positions
                       .usual_length = 512};
  }

  // Errors: those of the config, of the weights (named tensors) and of the layers.
  static Result<std::unique_ptr<Model>> load(const json::object& json,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context) {
    WDE_ASSIGN_OR_RETURN(const auto config, DeepAveragingConfig::from_json(json));
    const int64_t C = config.hidden_size, F = config.intermediate_size;
    const Weights weights(source, "encoder.", "embedding.weight");
    WDE_ASSIGN_OR_RETURN(const auto words,
                         weights.tensor("embedding.weight", {config.vocab_size, C}));
    WDE_ASSIGN_OR_RETURN(const auto up, weights.linear("up", F, C));
    WDE_ASSIGN_OR_RETURN(const auto down, weights.linear("down", C, F));
    WDE_ASSIGN_OR_RETURN(const auto norm, weights.layer_norm("norm", C));
    auto model = std::make_unique<DeepAveragingModel>();
    model->dtype_ = context.dtype;
    model->hidden_size_ = C;
    WDE_ASSIGN_OR_RETURN(model->words_, layers::load_table(context, words));
    WDE_ASSIGN_OR_RETURN(model->feed_forward_,
                         layers::Mlp::load(context, {up.weight, up.bias, down.weight, down.bias},
                                           config.activation));
    WDE_ASSIGN_OR_RETURN(model->norm_,
                         layers::LayerNorm::load(context, norm.weight, norm.bias, config.epsilon));
    return std::unique_ptr<Model>(std::move(model));
  }

  std::vector<ModuleChoice> choices() const override {
    return {{"gemm", feed_forward_->backend()}};
  }

  // x = norm(x + down(activation(up(x)))) of x = embedding(ids)
  TensorView forward(ops::OpContext& context, const layers::TokenBatch& batch) const override {
    const TensorView out = context.arena.allocate(dtype_, {batch.tokens(), hidden_size_});
    const Arena::Mark mark(context.arena);
    const TensorView x = context.arena.allocate(dtype_, {batch.tokens(), hidden_size_});
    ops::embedding_sum(context, {.ids = batch.ids, .word_table = words_, .out = x});
    feed_forward_->forward(context, batch, x, /*residual=*/x, out);
    norm_.forward(context, out, out);
    return out;
  }

 private:
  int64_t hidden_size_ = 0;
  DType dtype_ = DType::kF32;
  TensorView words_;
  std::unique_ptr<layers::FeedForward> feed_forward_;
  layers::LayerNorm norm_;
};

}  // namespace wde::models
