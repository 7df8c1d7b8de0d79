// The last hidden state of every token, special ones included, before any pooling.
#pragma once

#include "heads/head.h"

namespace wde::heads {

class HiddenHead final : public Head {
 public:
  explicit HiddenHead(int64_t hidden_size) : hidden_size_(hidden_size) {}
  Rows rows() const override { return Rows::kPerToken; }
  int64_t columns() const override { return hidden_size_; }
  void forward(ops::OpContext& context, const TensorView& hidden, const layers::TokenBatch& batch,
               const TensorView& out) const override;

 private:
  int64_t hidden_size_;
};

}  // namespace wde::heads
