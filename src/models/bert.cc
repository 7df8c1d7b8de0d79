#include "models/bert.h"

#include <algorithm>
#include <string>

#include "base/status.h"

namespace wde::models {
namespace {

std::string block_name(const BertConfig& config, int64_t block) {
  const BertNames& names = config.names;
  std::string name = fmt::format("{}{}.", names.layer, block / config.inner_layers);
  if (!names.inner_layer.empty())
    name += fmt::format("{}{}.", names.inner_layer, block % config.inner_layers);
  return name;
}

}  // namespace

Result<std::unique_ptr<Model>> BertEncoder::load(const BertConfig& config,
                                                 const checkpoint::WeightSource& source,
                                                 layers::LoadContext& context) {
  const Weights weights(source, config.names.prefix, "embeddings.word_embeddings.weight");
  auto model = std::make_unique<BertEncoder>();
  model->dtype_ = context.dtype;
  model->hidden_size_ = config.hidden_size;
  WDE_ASSIGN_OR_RETURN(model->embeddings_, BertEmbeddings::load(config, weights, context));
  attention::AttentionProblem attention =
      bidirectional_attention(context, bert_attention_shape(config));
  if (!config.names.distance_bias.empty()) {
    WDE_ASSIGN_OR_RETURN(const auto table,
                         weights.tensor(std::string(config.names.distance_bias) + ".weight",
                                        {config.buckets.buckets, config.heads}));
    WDE_ASSIGN_OR_RETURN(attention.distance_bias,
                         layers::load_distance_bias(context, config.buckets, table));
  }
  model->layers_ = config.layers;
  model->groups_ = config.groups > 0 ? config.groups : config.layers;
  model->inner_layers_ = config.inner_layers;
  for (int64_t b = 0; b < model->groups_ * config.inner_layers; ++b) {
    WDE_ASSIGN_OR_RETURN(
        layers::EncoderBlock block,
        load_bert_block(config, weights, block_name(config, b), attention, context));
    model->blocks_.push_back(std::move(block));
  }
  return std::unique_ptr<Model>(std::move(model));
}

std::vector<ModuleChoice> BertEncoder::choices() const {
  return {{"attention", blocks_.front().attention.backend()},
          {"gemm", blocks_.front().feed_forward->backend()}};
}

// As transformers' AlbertTransformer divides, rounding included.
int64_t BertEncoder::first_block(int64_t l) const {
  const double layers_a_group = static_cast<double>(layers_) / static_cast<double>(groups_);
  return static_cast<int64_t>(static_cast<double>(l) / layers_a_group) * inner_layers_;
}

TensorView BertEncoder::forward(ops::OpContext& context, const layers::TokenBatch& batch) const {
  const TensorView x = context.arena.allocate(dtype_, {batch.tokens(), hidden_size_});
  embeddings_.forward(context, batch, x);
  for (int64_t l = 0; l < layers_; ++l) {
    const auto first = blocks_.begin() + first_block(l);
    std::for_each(first, first + inner_layers_,
                  [&](const layers::EncoderBlock& block) { block.forward(context, batch, x); });
  }
  return x;
}

}  // namespace wde::models
