#include "models/weights.h"

#include "base/status.h"

namespace wde::models {

Weights::Weights(const checkpoint::WeightSource& source, std::string_view prefix,
                 std::string_view probe)
    : source_(source) {
  const std::string prefixed = std::string(prefix) + std::string(probe);
  if (!source.has(probe) && source.has(prefixed)) prefix_ = prefix;
}

Result<TensorView> Weights::tensor(const std::string& name, const Shape& shape) const {
  return source_.tensor(prefix_ + name, shape);
}

Result<Weights::WeightAndBias> Weights::linear(const std::string& module, int64_t outputs,
                                               int64_t inputs, Bias bias) const {
  WeightAndBias found;
  WDE_ASSIGN_OR_RETURN(found.weight, tensor(module + ".weight", {outputs, inputs}));
  if (bias == Bias::kAbsent) return found;
  WDE_ASSIGN_OR_RETURN(found.bias, tensor(module + ".bias", {outputs}));
  return found;
}

Result<Weights::WeightAndBias> Weights::layer_norm(const std::string& module, int64_t size,
                                                   Bias bias) const {
  const bool tensorflow = !has(module + ".weight") && has(module + ".gamma");
  WeightAndBias found;
  WDE_ASSIGN_OR_RETURN(found.weight, tensor(module + (tensorflow ? ".gamma" : ".weight"), {size}));
  if (bias == Bias::kAbsent) return found;
  WDE_ASSIGN_OR_RETURN(found.bias, tensor(module + (tensorflow ? ".beta" : ".bias"), {size}));
  return found;
}

}  // namespace wde::models
