// Matrices that multiply the same rows, one below the other: y = [x W1ᵀ + b1, x W2ᵀ + b2, …]. One
// product where they can be packed together; codes of few bits that differ in layout (Q4_K beside
// Q6_K) stay codes, each in a product of its own.
#pragma once

#include <span>
#include <vector>

#include "layers/linear.h"

namespace wde::layers {

class StackedLinear {
 public:
  // `weights` [N1, K], [N2, K], … and `biases` [N1], [N2], … (data null for none: all or none of
  // them) on the host; read only here. `low_rank` is of all of them, stacked; not with codes of
  // several layouts, which are then unpacked. Errors: as Linear::load.
  static Result<StackedLinear> load(LoadContext& context, std::span<const TensorView> weights,
                                    std::span<const TensorView> biases,
                                    const LowRankWeights& low_rank = {});

  // x [M, K] -> y [M, N1 + N2 + …], as Linear::forward.
  void forward(ops::OpContext& context, const TensorView& x, const TensorView& y,
               int adapter = -1) const;

  int64_t outputs() const { return outputs_; }
  // Products that it is made of.
  size_t products() const { return products_.size(); }
  std::string_view backend() const { return products_.front().backend(); }

 private:
  std::vector<Linear> products_;
  int64_t outputs_ = 0;
};

}  // namespace wde::layers
