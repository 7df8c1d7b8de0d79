// Tensors of a checkpoint whose elements lie nowhere in a form that can be read as it is: weights
// of few bits, weights with an adapter. Their rows are computed when they are asked for, so that a
// model of any size is loaded by way of one row at a time, and a dry run computes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "tensor/tensor.h"

namespace wde {

// Rows kept as integers of few bits: element k is scales[g] * (codes[k] - zero) where the layout
// has a zero code, else scales[g] * codes[k] + offsets[g], for k's group g.
struct CodeLayout {
  int bits = 0;  // 4 or 8; codes are unsigned
  int64_t groups = 0;
  int64_t group_size = 0;  // neighbouring elements of a group; the last one may be shorter
  std::optional<int> zero_code;
  // The group of each element, where neighbours do not share theirs; empty: k / group_size. Lives
  // as long as the rows.
  std::span<const int32_t> group_of;

  int64_t group(int64_t k) const {
    return group_of.empty() ? k / group_size : group_of[static_cast<size_t>(k)];
  }
  // Same bits, groups and zero: rows that can be stacked.
  bool operator==(const CodeLayout& other) const;
};

// Immutable; thread-safe.
class ComputedRows {
 public:
  explicit ComputedRows(const Shape& shape) : shape_(shape) {}
  virtual ~ComputedRows() = default;
  ComputedRows(const ComputedRows&) = delete;
  ComputedRows& operator=(const ComputedRows&) = delete;

  const Shape& shape() const { return shape_; }
  int64_t row_elements() const { return view().row_elements(); }
  // Everything but the first axis at `row`, as f32.
  virtual void read_row(int64_t row, float* to) const = 0;

  // How the rows are kept, where that is codes of few bits.
  virtual std::optional<CodeLayout> code_layout() const { return std::nullopt; }
  // One row's codes [row_elements], scales [groups] and, without a zero code, offsets [groups];
  // read_row gives the same numbers. Only where there is a layout.
  virtual void read_codes(int64_t row, uint8_t* codes, float* scales, float* offsets) const;

  // An f32 view whose `computed` is this. Its rows may be sliced, its columns not; its data is an
  // address that nothing can be read from.
  TensorView view() const;
  // The row of this tensor with which a view of it begins.
  int64_t first_row(const TensorView& view) const;

 private:
  Shape shape_;
};

// Rows that are kept as codes: whoever reads these has to say no more than read_codes().
class CodedRows : public ComputedRows {
 public:
  CodedRows(const Shape& shape, const CodeLayout& layout) : ComputedRows(shape), layout_(layout) {}
  void read_row(int64_t row, float* to) const final;
  std::optional<CodeLayout> code_layout() const final { return layout_; }

 private:
  CodeLayout layout_;
};

// How the rows of a view are kept, where that is codes of few bits.
std::optional<CodeLayout> code_layout(const TensorView& view);

// The elements of a host view, row by row, as f32, wherever they come from: f32, bf16, f16, or
// computed.
void read_f32(const TensorView& host, float* to);

}  // namespace wde
