#include "layers/load_context.h"

#include <cstdint>

#include "base/status.h"

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

}  // namespace

Result<TensorView> load_f32(LoadContext& context, const TensorView& host) {
  const auto elements = static_cast<size_t>(host.shape.elements());
  context.weight_bytes += elements * sizeof(float);
  if (context.planning) return TensorView::contiguous(nullptr, DType::kF32, host.shape);
  std::vector<float> values(elements);
  convert_elements(host.data, host.dtype, values.data(), DType::kF32, elements);
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
  const bool readable = host.dtype == DType::kF32 || host.dtype == DType::kBF16;
  const bool aligned = reinterpret_cast<uintptr_t>(host.data) % dtype_size_bytes(host.dtype) == 0;
  if (!readable || (context.device->host_addressable() && !aligned)) return load_f32(context, host);
  context.weight_bytes += host.span_bytes();
  if (context.planning || context.device->host_addressable()) return host;
  return upload(context, host.data, host.dtype, host.shape);
}

TensorView stack_rows(std::span<const TensorView> parts, std::vector<float>* storage) {
  int64_t rows = 0;
  for (const TensorView& part : parts) {
    WDE_CHECK((part.data == nullptr) == (parts.front().data == nullptr));
    rows += part.rows();
  }
  if (parts.front().data == nullptr) return {};
  const int64_t columns = parts.front().row_elements();
  storage->resize(static_cast<size_t>(rows * columns));
  float* at = storage->data();
  for (const TensorView& part : parts) {
    const auto elements = static_cast<size_t>(part.shape.elements());
    convert_elements(part.data, part.dtype, at, DType::kF32, elements);
    at += elements;
  }
  const Shape shape = parts.front().shape.rank() == 1 ? Shape{rows} : Shape{rows, columns};
  return TensorView::contiguous(storage->data(), DType::kF32, shape);
}

}  // namespace wde::layers
