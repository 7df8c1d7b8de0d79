#include "tensor/arena.h"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace wde {
namespace {

constexpr size_t kAlignmentBytes = 64;  // a cache line, and an AVX-512 register
// Neither null nor memory: what a measuring arena hands out must not be mistaken for "absent".
constexpr uintptr_t kMeasuringBase = uintptr_t{1} << 46;
constexpr size_t kMeasuringCapacityBytes = size_t{1} << 46;

}  // namespace

Arena::Arena(void* base, size_t capacity_bytes)
    : base_(static_cast<std::byte*>(base)), capacity_bytes_(capacity_bytes) {
  WDE_CHECK(reinterpret_cast<uintptr_t>(base) % kAlignmentBytes == 0);
}

Arena Arena::measuring() {
  return Arena(reinterpret_cast<void*>(kMeasuringBase), kMeasuringCapacityBytes);
}

TensorView Arena::allocate(DType dtype, const Shape& shape) {
  const auto elements = static_cast<size_t>(shape.elements());
  WDE_CHECK(elements <= kMeasuringCapacityBytes / dtype_size_bytes(dtype));
  const size_t size_bytes = elements * dtype_size_bytes(dtype);
  WDE_CHECK(size_bytes <= capacity_bytes_ - used_bytes_);
  void* data = base_ + used_bytes_;
  const size_t padded_bytes =
      (size_bytes + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
  used_bytes_ = std::min(used_bytes_ + padded_bytes, capacity_bytes_);
  high_water_bytes_ = std::max(high_water_bytes_, used_bytes_);
  return TensorView::contiguous(data, dtype, shape);
}

}  // namespace wde
