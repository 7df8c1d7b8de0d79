// A ragged batch of tokens as layers, models and heads see it: T tokens of B sequences, back to
// back.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/tensor.h"

namespace wde::layers {

// Views in device memory, alive until the forward pass is done.
struct TokenBatch {
  TensorView ids;                            // i32 [T]
  TensorView positions;                      // i32 [T]
  TensorView type_ids;                       // i32 [T]
  TensorView skip;                           // i32 [B]: leading tokens that pooling leaves out
  TensorView cu_seqlens;                     // i32 [B + 1]
  std::span<const int32_t> host_cu_seqlens;  // the same numbers on the host
  int max_seqlen = 0;
  int adapter = -1;       // which of the model's adapters; -1: none
  TensorView key_counts;  // i32 [B]: leading tokens that attention sees; data null: all of them
  std::span<const int32_t> host_key_counts;  // the same on the host; empty for none
  TensorView continues;  // i32 [B]: the sequence that one continues, as attention has it; or null
  std::span<const int32_t> host_continues;  // the same on the host; empty for none

  int64_t tokens() const { return ids.rows(); }
  int64_t sequences() const { return cu_seqlens.rows() - 1; }
};

}  // namespace wde::layers
