// A checkpoint's tensors by the names a model gives them, whatever prefix the file puts before
// them.
#pragma once

#include <string>
#include <string_view>

#include "checkpoint/weight_source.h"

namespace wde::models {

enum class Bias { kAbsent, kPresent };

class Weights {
 public:
  // `prefix` ("bert.") is used when the source has `probe` under it and not without.
  Weights(const checkpoint::WeightSource& source, std::string_view prefix, std::string_view probe);

  // Errors: kNotFound, kDataLoss (shape, dtype); each names the tensor.
  Result<TensorView> tensor(const std::string& name, const Shape& shape) const;
  bool has(const std::string& name) const { return source_.has(prefix_ + name); }

  // "<module>.weight" and "<module>.bias" of a torch.nn.Linear [outputs, inputs]; without a bias
  // its data is null.
  struct WeightAndBias {
    TensorView weight, bias;
  };
  Result<WeightAndBias> linear(const std::string& module, int64_t outputs, int64_t inputs,
                               Bias bias = Bias::kPresent) const;
  // The same of a torch.nn.LayerNorm [size]; also by the names "gamma" and "beta" of TensorFlow's
  // checkpoints.
  Result<WeightAndBias> layer_norm(const std::string& module, int64_t size,
                                   Bias bias = Bias::kPresent) const;

 private:
  const checkpoint::WeightSource& source_;
  std::string prefix_;
};

}  // namespace wde::models
