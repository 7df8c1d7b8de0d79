// What turns last hidden states into rows of the answer, on the device, in f32.
#pragma once

#include "layers/token_batch.h"
#include "ops/op_context.h"

namespace wde::heads {

enum class Rows { kPerSequence, kPerToken };

// Immutable after load; shared by all workers on a device.
class Head {
 public:
  virtual ~Head() = default;
  virtual Rows rows() const = 0;
  virtual int64_t columns() const = 0;
  // Whether a sequence's row depends on its last token's hidden state alone; of the last one that
  // is not `passed_over_id()`.
  virtual bool reads_last_token_only() const { return false; }
  // -1: every token counts.
  virtual int32_t passed_over_id() const { return -1; }
  // hidden [T, C] in the model's dtype -> out f32 [B or T, columns], contiguous. Workspace from the
  // context's arena.
  virtual void forward(ops::OpContext& context, const TensorView& hidden,
                       const layers::TokenBatch& batch, const TensorView& out) const = 0;
};

}  // namespace wde::heads
