// The worked example of docs/adding-a-head.md: a text's first and last token states, side by side.
#pragma once

#include "heads/head.h"
#include "ops/ops.h"

namespace wde::heads::example {

class FirstLastHead final : public Head {
 public:
  explicit FirstLastHead(int64_t hidden_size) : hidden_size_(hidden_size) {}

  Rows rows() const override { return Rows::kPerSequence; }
  int64_t columns() const override { return 2 * hidden_size_; }

  void forward(ops::OpContext& context, const TensorView& hidden, const layers::TokenBatch& batch,
               const TensorView& out) const override {
    int64_t column = 0;
    for (const ops::Pooling pooling : {ops::Pooling::kCls, ops::Pooling::kLast}) {
      ops::pooling(context, {.hidden = hidden,
                             .cu_seqlens = batch.cu_seqlens,
                             .out = out.slice_columns(column, hidden_size_),
                             .pooling = pooling});
      column += hidden_size_;
    }
  }

 private:
  int64_t hidden_size_;
};

}  // namespace wde::heads::example
