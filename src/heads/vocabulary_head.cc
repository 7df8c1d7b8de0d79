#include "heads/vocabulary_head.h"

#include <algorithm>

#include "base/status.h"

namespace wde::heads {
namespace {

// A shard's logits of one block stay below what its feed-forward layers take, and in a core's L2.
constexpr int64_t kBlockColumns = 1024;

}  // namespace

Result<std::unique_ptr<Head>> VocabularyHead::load(layers::LoadContext& context,
                                                   const RecipeSource& source, int64_t vocab_size) {
  auto head = std::make_unique<VocabularyHead>();
  head->vocab_size_ = vocab_size;
  WDE_ASSIGN_OR_RETURN(const auto dense, find_dense(source));
  if (dense) {
    WDE_ASSIGN_OR_RETURN(const ops::Activation activation,
                         choose_activation(source.recipe->dense.activation, *source.config));
    WDE_ASSIGN_OR_RETURN(head->dense_,
                         layers::Linear::load(context, dense->weight, dense->bias, activation));
  }
  WDE_ASSIGN_OR_RETURN(head->norm_, load_norm(source, context));
  WDE_ASSIGN_OR_RETURN(const WeightAndBias output, find_output(source, vocab_size));
  for (int64_t begin = 0; begin < vocab_size; begin += kBlockColumns) {
    const int64_t count = std::min(kBlockColumns, vocab_size - begin);
    const TensorView bias =
        output.bias.data == nullptr ? TensorView() : output.bias.slice_rows(begin, count);
    WDE_ASSIGN_OR_RETURN(
        layers::Linear block,
        layers::Linear::load(context, output.weight.slice_rows(begin, count), bias));
    head->blocks_.push_back(std::move(block));
  }
  return std::unique_ptr<Head>(std::move(head));
}

void VocabularyHead::forward(ops::OpContext& context, const TensorView& hidden,
                             const layers::TokenBatch& batch, const TensorView& out) const {
  const Arena::Mark mark(context.arena);
  TensorView x = hidden;
  if (dense_) {
    x = context.arena.allocate(hidden.dtype, {hidden.rows(), dense_->outputs()});
    dense_->forward(context, hidden, x);
  }
  if (norm_) {
    const TensorView normal = context.arena.allocate(x.dtype, x.shape);
    norm_->forward(context, x, normal);
    x = normal;
  }
  int64_t begin = 0;
  for (const layers::Linear& block : blocks_) {
    const Arena::Mark block_mark(context.arena);
    const TensorView logits = context.arena.allocate(x.dtype, {x.rows(), block.outputs()});
    block.forward(context, x, logits);
    ops::pooling(context, {.hidden = logits,
                           .cu_seqlens = batch.cu_seqlens,
                           .out = out.slice_columns(begin, block.outputs()),
                           .pooling = ops::Pooling::kMax});
    begin += block.outputs();
  }
}

}  // namespace wde::heads
