#include "layers/load_context.h"

#include <cstdint>

#include "base/status.h"
#include "tensor/computed_rows.h"

namespace wde::layers {
namespace {

// A contiguous host block as device memory of the store.
Result<TensorView> upload(LoadContext& context, const void* host, DType dtype, const Shape& shape) {
  const TensorView source = TensorView::contiguous(const_cast<void*>(host), dtype, shape);
  const size_t size_bytes = source.span_bytes();
  WDE_ASSIGN_OR_RETURN(Storage storage, context.device->allocate(size_bytes));
  const std::unique_ptr<Stream> stream = context.device->create_stream();
  stream->copy_to_device(storage.data(), host, size_bytes);
  WDE_RETURN_IF_ERROR(stream->synchronize());
  const TensorView view = TensorView::contiguous(storage.data(), dtype, shape);
  context.store->add(std::move(storage));
  return view;
}

// Row by row, so that a large table is there once.
Result<TensorView> load_computed_table(LoadContext& context, const TensorView& host) {
  TensorView table = TensorView::contiguous(nullptr, context.dtype, host.shape);
  context.weight_bytes += table.span_bytes();
  if (context.planning) return table;
  WDE_ASSIGN_OR_RETURN(Storage storage, context.device->allocate(table.span_bytes()));
  table.data = storage.data();
  const std::unique_ptr<Stream> stream = context.device->create_stream();
  const auto columns = static_cast<size_t>(host.row_elements());
  const size_t row_bytes = columns * dtype_size_bytes(table.dtype);
  std::vector<float> row(columns);
  std::vector<std::byte> converted(row_bytes);
  for (int64_t r = 0; r < host.rows(); ++r) {
    read_f32(host.slice_rows(r, 1), row.data());
    convert_elements(row.data(), DType::kF32, converted.data(), table.dtype, columns);
    stream->copy_to_device(
        static_cast<std::byte*>(storage.data()) + static_cast<size_t>(r) * row_bytes,
        converted.data(), row_bytes);
    WDE_RETURN_IF_ERROR(stream->synchronize());
  }
  context.store->add(std::move(storage));
  return table;
}

class StackedRows final : public ComputedRows {
 public:
  StackedRows(std::span<const TensorView> parts, const Shape& shape)
      : ComputedRows(shape), parts_(parts.begin(), parts.end()) {
    layout_ = wde::code_layout(parts_.front());
    for (const TensorView& part : parts_) {
      if (wde::code_layout(part) != layout_) layout_.reset();
    }
  }

  void read_row(int64_t row, float* to) const override {
    const TensorView& part = find(&row);
    read_f32(part.slice_rows(row, 1), to);
  }
  std::optional<CodeLayout> code_layout() const override { return layout_; }
  void read_codes(int64_t row, uint8_t* codes, float* scales, float* offsets) const override {
    const TensorView& part = find(&row);
    part.computed->read_codes(part.computed->first_row(part) + row, codes, scales, offsets);
  }

 private:
  // The part with the row, which becomes the part's own.
  const TensorView& find(int64_t* row) const {
    size_t i = 0;
    while (*row >= parts_[i].rows()) *row -= parts_[i++].rows();
    return parts_[i];
  }

  std::vector<TensorView> parts_;
  std::optional<CodeLayout> layout_;
};

}  // namespace

Result<TensorView> load_f32(LoadContext& context, const TensorView& host) {
  const auto elements = static_cast<size_t>(host.shape.elements());
  context.weight_bytes += elements * sizeof(float);
  if (context.planning) return TensorView::contiguous(nullptr, DType::kF32, host.shape);
  std::vector<float> values(elements);
  read_f32(host, values.data());
  return upload(context, values.data(), DType::kF32, host.shape);
}

Result<TensorView> load_i32(LoadContext& context, const TensorView& host) {
  context.weight_bytes += host.span_bytes();
  if (context.planning) return TensorView::contiguous(nullptr, DType::kI32, host.shape);
  return upload(context, host.data, DType::kI32, host.shape);
}

Result<TensorView> allocate_parameter(LoadContext& context, DType dtype, const Shape& shape) {
  TensorView view = TensorView::contiguous(nullptr, dtype, shape);
  context.weight_bytes += view.span_bytes();
  if (context.planning) return view;
  WDE_ASSIGN_OR_RETURN(Storage storage, context.device->allocate(view.span_bytes()));
  view.data = storage.data();
  context.store->add(std::move(storage));
  return view;
}

Result<TensorView> load_table(LoadContext& context, const TensorView& host) {
  if (host.computed != nullptr) return load_computed_table(context, host);
  const bool readable = host.dtype == DType::kF32 || host.dtype == DType::kBF16;
  const bool aligned = reinterpret_cast<uintptr_t>(host.data) % dtype_size_bytes(host.dtype) == 0;
  if (!readable || (context.device->host_addressable() && !aligned)) return load_f32(context, host);
  context.weight_bytes += host.span_bytes();
  if (context.device->host_addressable()) {
    context.mapped_bytes += host.span_bytes();
    return host;
  }
  if (context.planning) return host;
  return upload(context, host.data, host.dtype, host.shape);
}

TensorView stack_rows(std::span<const TensorView> parts, std::unique_ptr<ComputedRows>* storage) {
  int64_t rows = 0;
  for (const TensorView& part : parts) {
    WDE_CHECK((part.data == nullptr) == (parts.front().data == nullptr));
    rows += part.rows();
  }
  if (parts.front().data == nullptr) return {};
  Shape shape = parts.front().shape;
  shape.set_dim(0, rows);
  *storage = std::make_unique<StackedRows>(parts, shape);
  return (*storage)->view();
}

}  // namespace wde::layers
