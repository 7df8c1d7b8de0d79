#include "tensor/computed_rows.h"

#include <algorithm>
#include <vector>

#include "base/status.h"

namespace wde {
namespace {

// No machine that we build for lets a program have memory here: who reads a computed tensor's data
// crashes at once.
constexpr uintptr_t kNowhere = uintptr_t{1} << 54;

}  // namespace

bool CodeLayout::operator==(const CodeLayout& other) const {
  return bits == other.bits && groups == other.groups && group_size == other.group_size &&
         zero_code == other.zero_code && std::ranges::equal(group_of, other.group_of);
}

void ComputedRows::read_codes(int64_t, uint8_t*, float*, float*) const {
  WDE_CHECK(!"read_codes: these rows are not kept as codes");
}

TensorView ComputedRows::view() const {
  TensorView view = TensorView::contiguous(reinterpret_cast<void*>(kNowhere), DType::kF32, shape_);
  view.computed = this;
  return view;
}

int64_t ComputedRows::first_row(const TensorView& view) const {
  const size_t row_bytes = static_cast<size_t>(view.row_stride) * sizeof(float);
  if (row_bytes == 0) return 0;
  return static_cast<int64_t>((reinterpret_cast<uintptr_t>(view.data) - kNowhere) / row_bytes);
}

void CodedRows::read_row(int64_t row, float* to) const {
  const auto columns = static_cast<size_t>(row_elements());
  std::vector<uint8_t> codes(columns);
  std::vector<float> scales(static_cast<size_t>(layout_.groups)), offsets(scales.size());
  read_codes(row, codes.data(), scales.data(), layout_.zero_code ? nullptr : offsets.data());
  const int zero = layout_.zero_code.value_or(0);
  for (size_t k = 0; k < columns; ++k) {
    const auto g = static_cast<size_t>(layout_.group(static_cast<int64_t>(k)));
    to[k] = scales[g] * static_cast<float>(codes[k] - zero) + offsets[g];
  }
}

std::optional<CodeLayout> code_layout(const TensorView& view) {
  return view.computed == nullptr ? std::nullopt : view.computed->code_layout();
}

void read_f32(const TensorView& host, float* to) {
  const int64_t columns = host.row_elements();
  if (host.computed != nullptr) {
    const int64_t first = host.computed->first_row(host);
    for (int64_t row = 0; row < host.rows(); ++row) {
      host.computed->read_row(first + row, to + row * columns);
    }
    return;
  }
  if (host.is_contiguous()) {
    convert_elements(host.data, host.dtype, to, DType::kF32,
                     static_cast<size_t>(host.shape.elements()));
    return;
  }
  for (int64_t row = 0; row < host.rows(); ++row) {
    convert_elements(host.slice_rows(row, 1).data, host.dtype, to + row * columns, DType::kF32,
                     static_cast<size_t>(columns));
  }
}

}  // namespace wde
