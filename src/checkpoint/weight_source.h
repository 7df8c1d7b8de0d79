// Named tensors of a checkpoint, wherever they lie. Models and heads read their weights through
// this and never see files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tensor/tensor.h"

namespace wde::checkpoint {

// A tensor that an adapter changed or brought.
struct AdapterTensor {
  std::string name;
  bool brought = false;  // the model's weights have none of that name
};

// Immutable; thread-safe. Views point into the source (mapped files, or rows that it computes:
// tensor/computed_rows.h) and live as long as it does.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  virtual bool has(std::string_view name) const = 0;
  // A host view in the checkpoint's dtype, unaligned where the file has it so.
  // Errors: kNotFound (names the tensor and the nearest name there is).
  virtual Result<TensorView> tensor(std::string_view name) const = 0;
  virtual std::vector<std::string> names() const = 0;
  // What lies beneath adapters.
  virtual const WeightSource& unchanged() const { return *this; }
  // Those of adapters that nobody has asked for so far.
  virtual std::vector<AdapterTensor> unread_changes() const { return {}; }
  // Lets go of mapped pages: for when all has been read that will be. Views stay valid; what is
  // read again comes back from the page cache.
  virtual void drop_pages() const {}

  // tensor(), checked: a floating-point dtype and exactly this shape.
  // Errors: also kDataLoss naming the tensor, the expected and the found shape or dtype.
  Result<TensorView> tensor(std::string_view name, const Shape& expected) const;
};

}  // namespace wde::checkpoint
