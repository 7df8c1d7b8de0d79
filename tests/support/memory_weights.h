// Weights that a test writes down, as a checkpoint would hold them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "checkpoint/weight_source.h"

namespace wde::test {

class MemoryWeights final : public checkpoint::WeightSource {
 public:
  using checkpoint::WeightSource::tensor;

  // Replaces a tensor of that name.
  void set(const std::string& name, const Shape& shape, std::vector<float> values) {
    WDE_CHECK(shape.elements() == static_cast<int64_t>(values.size()));
    tensors_[name] = {DType::kF32, shape, std::move(values)};
  }
  // The same bytes under another dtype of four bytes.
  void set_dtype(const std::string& name, DType dtype) { tensors_.at(name).dtype = dtype; }
  void remove(const std::string& name) { tensors_.erase(name); }
  void rename(const std::string& from, const std::string& to) {
    auto node = tensors_.extract(from);
    node.key() = to;
    tensors_.insert(std::move(node));
  }

  bool has(std::string_view name) const override { return tensors_.contains(name); }
  Result<TensorView> tensor(std::string_view name) const override {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) return not_found_error("no tensor \"{}\"", name);
    const Tensor& tensor = found->second;
    return TensorView::contiguous(const_cast<float*>(tensor.values.data()), tensor.dtype,
                                  tensor.shape);
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors_) names.push_back(name);
    return names;
  }

 private:
  struct Tensor {
    DType dtype = DType::kF32;
    Shape shape;
    std::vector<float> values;
  };
  std::map<std::string, Tensor, std::less<>> tensors_;
};

}  // namespace wde::test
