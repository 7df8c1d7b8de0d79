#include "checkpoint/weight_source.h"

namespace wde::checkpoint {
namespace {

bool is_floating_point(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kBF16 || dtype == DType::kF16;
}

}  // namespace

Result<TensorView> WeightSource::tensor(std::string_view name, const Shape& expected) const {
  WDE_ASSIGN_OR_RETURN(TensorView found, tensor(name));
  if (!is_floating_point(found.dtype)) {
    return data_loss_error("tensor \"{}\" is {}; expected f32, bf16 or f16", name,
                           dtype_name(found.dtype));
  }
  if (!(found.shape == expected)) {
    return data_loss_error("tensor \"{}\" has shape {}; expected {}", name, found.shape.to_string(),
                           expected.to_string());
  }
  return found;
}

}  // namespace wde::checkpoint
