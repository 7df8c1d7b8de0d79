// Views of memory on a device, and the storage behind them. A view owns nothing and knows no
// device: whoever holds one keeps its storage alive.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

#include "base/dtype.h"
#include "base/status.h"

namespace wde {

class ComputedRows;

// Up to 4 dimensions, outermost first.
class Shape {
 public:
  static constexpr int kMaxRank = 4;
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);
  // Nothing for more than kMaxRank dimensions; none may be below 0.
  static std::optional<Shape> from_dims(std::span<const int64_t> dims);

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return dims_[static_cast<size_t>(axis)]; }
  void set_dim(int axis, int64_t dim) { dims_[static_cast<size_t>(axis)] = dim; }
  // Product of the dimensions; 1 for rank 0; INT64_MAX where the product would not fit.
  int64_t elements() const;
  std::string to_string() const;  // "[3, 384]"
  bool operator==(const Shape&) const = default;

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

// Row-major with unit stride inside the last axis; `row_stride` is the distance in elements between
// the starts of consecutive rows, where a row is everything but the first axis (so a [T, C] view
// may be a column slice of a [T, 3C] buffer). `data` is an address in the owning device's space:
// only code that runs on that device may dereference it.
struct TensorView {
  void* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;
  int64_t row_stride = 0;
  // Of a checkpoint's tensors only: who computes the rows, where no memory holds them
  // (tensor/computed_rows.h). `data` is then not null, and must not be read.
  const ComputedRows* computed = nullptr;

  static TensorView contiguous(void* data, DType dtype, const Shape& shape);

  int64_t rows() const { return shape.rank() == 0 ? 1 : shape[0]; }
  int64_t row_elements() const { return rows() == 0 ? 0 : shape.elements() / rows(); }
  bool is_contiguous() const { return rows() <= 1 || row_stride == row_elements(); }
  // Bytes from the first to one past the last element, gaps between rows included.
  size_t span_bytes() const;
  // Rows [begin, begin + count).
  TensorView slice_rows(int64_t begin, int64_t count) const;
  // Columns [begin, begin + count) of a rank-2 view.
  TensorView slice_columns(int64_t begin, int64_t count) const;

  template <class T>
  T* as() const {
    static_assert(sizeof(T) <= 8);
    return static_cast<T*>(data);
  }
};

}  // namespace wde
