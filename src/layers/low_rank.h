// Low-rank adapters of a linear layer (Hu et al. 2021, arXiv:2106.09685), several of which share
// one base: with adapter i, the weight is W + scale * B_i A_i.
#pragma once

#include <memory>
#include <vector>

#include "layers/load_context.h"

namespace wde::layers {

// On the host; read only while a layer is loaded. No adapters where `adapters` is 0.
struct LowRankWeights {
  int64_t adapters = 0;  // n
  int64_t rank = 0;      // r
  TensorView down;       // A: [n r, K]
  TensorView up;         // B: [n N, r]
  float scale = 1.0f;

  int64_t columns() const { return adapters * rank; }
};

// [W | scale * B_0 | scale * B_1 | ...]: one product with [x | 0 | A_i x | 0] is W x + scale * B_i
// A_i x, with bias, activation and residual fused as without adapters. [N, K + n r], in *storage.
TensorView append_columns(const TensorView& weight, const LowRankWeights& low_rank,
                          std::vector<float>* storage);

// Makes [x | 0 | A_i x | 0]: for each adapter a matrix [n r, K] that is zero but for its own rows.
class LowRankInput {
 public:
  // Errors: as create_gemm.
  static Result<std::unique_ptr<LowRankInput>> load(LoadContext& context,
                                                    const LowRankWeights& weights);

  // x [T, K] to [T, K + n r] in the context's arena.
  TensorView forward(ops::OpContext& context, const TensorView& x, int adapter) const;

 private:
  int64_t columns_ = 0;
  std::vector<std::unique_ptr<ops::Gemm>> down_;  // [n + 1]: the last, for no adapter, is all zeros
};

}  // namespace wde::layers
