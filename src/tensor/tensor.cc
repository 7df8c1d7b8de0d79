#include "tensor/tensor.h"

#include <algorithm>
#include <limits>

namespace wde {

Shape::Shape(std::initializer_list<int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  WDE_CHECK(dims.size() <= static_cast<size_t>(kMaxRank));
  WDE_CHECK(std::all_of(dims.begin(), dims.end(), [](int64_t dim) { return dim >= 0; }));
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

std::optional<Shape> Shape::from_dims(std::span<const int64_t> dims) {
  if (dims.size() > static_cast<size_t>(kMaxRank)) return std::nullopt;
  Shape shape;
  shape.rank_ = static_cast<int>(dims.size());
  WDE_CHECK(std::all_of(dims.begin(), dims.end(), [](int64_t dim) { return dim >= 0; }));
  std::copy(dims.begin(), dims.end(), shape.dims_.begin());
  return shape;
}

int64_t Shape::elements() const {
  int64_t product = 1;
  bool overflow = false;
  for (int axis = 0; axis < rank_; ++axis) {
    if ((*this)[axis] == 0) return 0;
    overflow |= __builtin_mul_overflow(product, (*this)[axis], &product);
  }
  // Saturated, so that whoever compares it with what there is finds it too large.
  return overflow ? std::numeric_limits<int64_t>::max() : product;
}

std::string Shape::to_string() const {
  std::string out = "[";
  for (int axis = 0; axis < rank_; ++axis) {
    if (axis != 0) out += ", ";
    out += std::to_string((*this)[axis]);
  }
  return out + "]";
}

TensorView TensorView::contiguous(void* data, DType dtype, const Shape& shape) {
  TensorView view{
      .data = data, .dtype = dtype, .shape = shape, .row_stride = 0, .computed = nullptr};
  view.row_stride = view.row_elements();
  return view;
}

size_t TensorView::span_bytes() const {
  if (shape.elements() == 0) return 0;
  const int64_t elements = (rows() - 1) * row_stride + row_elements();
  return static_cast<size_t>(elements) * dtype_size_bytes(dtype);
}

TensorView TensorView::slice_rows(int64_t begin, int64_t count) const {
  WDE_CHECK(shape.rank() >= 1 && begin >= 0 && count >= 0 && begin <= rows() - count);
  TensorView view = *this;
  view.shape.set_dim(0, count);
  view.data = static_cast<std::byte*>(data) +
              static_cast<size_t>(begin * row_stride) * dtype_size_bytes(dtype);
  return view;
}

TensorView TensorView::slice_columns(int64_t begin, int64_t count) const {
  WDE_CHECK(computed == nullptr);
  WDE_CHECK(shape.rank() == 2 && begin >= 0 && count >= 0 && begin <= shape[1] - count);
  TensorView view = *this;
  view.shape.set_dim(1, count);
  view.data = static_cast<std::byte*>(data) + static_cast<size_t>(begin) * dtype_size_bytes(dtype);
  return view;
}

}  // namespace wde
