// Runs ops on any device and instruction set with inputs given as host values: odd alignment, gaps
// between rows, and a check that the gaps stay as they were.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "base/dtype.h"
#include "ops/registry.h"
#include "tensor/device_registry.h"
#include "tensor/emulated_device.h"

namespace wde::ops::test {

// A host tensor: its values, already rounded to its dtype, and how it shall lie in device memory.
struct HostTensor {
  Shape shape;
  DType dtype = DType::kF32;
  std::vector<double> values;
  int64_t gap = 0;     // elements between rows
  int64_t offset = 0;  // elements before the first

  int64_t rows() const { return shape[0]; }
  int64_t columns() const { return shape.rank() == 1 ? 1 : shape[1]; }
  double at(int64_t row, int64_t column) const {
    return values[static_cast<size_t>(row * columns() + column)];
  }
};

inline double round_to(DType dtype, double value) {
  switch (dtype) {
    case DType::kF32:
      return static_cast<float>(value);
    case DType::kBF16:
      return to_f32(to_bf16(static_cast<float>(value)));
    case DType::kF16:
      return to_f32(to_f16(static_cast<float>(value)));
    default:
      return value;
  }
}

// The dtypes' memory forms.
inline void write_element(std::byte* to, DType dtype, double value) {
  const auto f = static_cast<float>(value);
  const int32_t i = dtype == DType::kI32 ? static_cast<int32_t>(value) : 0;
  const bf16 b = to_bf16(f);
  const f16 h = to_f16(f);
  if (dtype == DType::kF32) std::memcpy(to, &f, sizeof f);
  if (dtype == DType::kI32) std::memcpy(to, &i, sizeof i);
  if (dtype == DType::kBF16) std::memcpy(to, &b, sizeof b);
  if (dtype == DType::kF16) std::memcpy(to, &h, sizeof h);
}

inline double read_element(const std::byte* from, DType dtype) {
  float f = 0;
  bf16 b = {};
  f16 h = {};
  if (dtype == DType::kF32) return std::memcpy(&f, from, sizeof f), f;
  if (dtype == DType::kBF16) return std::memcpy(&b, from, sizeof b), to_f32(b);
  return std::memcpy(&h, from, sizeof h), to_f32(h);
}

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  HostTensor normal(const Shape& shape, DType dtype, double scale = 1.0) {
    HostTensor tensor{shape, dtype, std::vector<double>(static_cast<size_t>(shape.elements()))};
    std::normal_distribution<double> distribution(0.0, scale);
    for (double& value : tensor.values) value = round_to(dtype, distribution(engine_));
    return tensor;
  }
  HostTensor below(int64_t count, int bound) {
    HostTensor tensor{Shape({count}), DType::kI32, std::vector<double>(static_cast<size_t>(count))};
    std::uniform_int_distribution<int> distribution(0, bound - 1);
    for (double& value : tensor.values) value = distribution(engine_);
    return tensor;
  }

 private:
  std::mt19937 engine_;
};

// One op table on its device, with `threads` threads (1: no pool).
class OpRunner {
 public:
  OpRunner(const OpTable& table, int threads)
      : table_(table),
        device_(device_of(table)),
        stream_(device_->create_stream()),
        arena_storage_(device_->allocate(kArenaBytes).value()),
        arena_(arena_storage_.data(), kArenaBytes),
        pool_(threads > 1 ? std::make_unique<ThreadPool>(threads) : nullptr) {}

  Device& device() { return *device_; }
  const OpTable& table() const { return table_; }
  OpContext context() {
    return {.stream = *stream_, .ops = table_, .arena = arena_, .pool = pool_.get()};
  }

  TensorView upload(const HostTensor& tensor) {
    const size_t element_bytes = dtype_size_bytes(tensor.dtype);
    const int64_t stride = tensor.columns() + tensor.gap;
    std::vector<std::byte> bytes(
        static_cast<size_t>(tensor.offset + tensor.rows() * stride + 1) * element_bytes, kGap);
    for (int64_t row = 0; row < tensor.rows(); ++row) {
      for (int64_t column = 0; column < tensor.columns(); ++column) {
        const auto index = static_cast<size_t>(tensor.offset + row * stride + column);
        write_element(bytes.data() + index * element_bytes, tensor.dtype, tensor.at(row, column));
      }
    }
    storages_.push_back(device_->allocate(bytes.size()).value());
    std::byte* base = static_cast<std::byte*>(storages_.back().data());
    stream_->copy_to_device(base, bytes.data(), bytes.size());
    EXPECT_TRUE(stream_->synchronize().ok());
    TensorView view = TensorView::contiguous(
        base + static_cast<size_t>(tensor.offset) * element_bytes, tensor.dtype, tensor.shape);
    view.row_stride = stride;
    if (tensor.shape.rank() == 1) view.row_stride = 1;
    return view;
  }

  // Frees everything uploaded so far.
  void release() { storages_.clear(); }

  // Row-major values; fails the test where a gap between rows was written.
  std::vector<double> download(const TensorView& view) {
    const size_t element_bytes = dtype_size_bytes(view.dtype);
    std::vector<std::byte> bytes(view.span_bytes());
    if (!bytes.empty()) stream_->copy_to_host(bytes.data(), view.data, bytes.size());
    const Status status = stream_->synchronize();
    EXPECT_TRUE(status.ok()) << status.message();
    std::vector<double> values;
    for (size_t row = 0; !bytes.empty() && row < static_cast<size_t>(view.rows()); ++row) {
      const size_t begin = row * static_cast<size_t>(view.row_stride) * element_bytes;
      const size_t end = begin + static_cast<size_t>(view.row_elements()) * element_bytes;
      for (size_t i = begin; i < end; i += element_bytes) {
        values.push_back(read_element(bytes.data() + i, view.dtype));
      }
      const size_t next = (row + 1) * static_cast<size_t>(view.row_stride) * element_bytes;
      for (size_t i = end; i < std::min(next, bytes.size()); ++i) EXPECT_EQ(bytes[i], kGap);
    }
    return values;
  }

 private:
  static constexpr size_t kArenaBytes = size_t{16} << 20;
  static constexpr std::byte kGap{0x5a};

  // The emulated one with little memory: it reserves address space for each byte, which qemu-user
  // books page by page.
  static std::shared_ptr<Device> device_of(const OpTable& table) {
    if (table.device_kind != "emulated") return create_device(table.device_kind).value();
    return create_emulated_device({.memory_bytes = size_t{64} << 20}).value();
  }

  const OpTable& table_;
  std::shared_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  Storage arena_storage_;
  Arena arena_;
  std::unique_ptr<ThreadPool> pool_;
  std::vector<Storage> storages_;
};

// The tables that this machine can run; a test says which it left out.
inline std::vector<const OpTable*> runnable_tables() {
  std::vector<const OpTable*> tables;
  for (const OpTableEntry& entry : op_tables()) {
    const std::string refusal = entry.refusal();
    if (refusal.empty())
      tables.push_back(&entry.table());
    else
      std::printf("skipped: %s: %s\n", std::string(entry.name).c_str(), refusal.c_str());
  }
  return tables;
}

// An op's result may differ from the fp64 oracle by `times` the largest error of the naive
// computation (sequential, in fp32, rounded to the output's dtype), plus `floor` of the largest
// value.
struct Tolerance {
  double times;
  double floor;
};

inline void expect_close(const std::vector<double>& actual, const std::vector<double>& oracle,
                         const std::vector<double>& naive, const Tolerance& tolerance) {
  ASSERT_EQ(actual.size(), oracle.size());
  double naive_error = 0;
  double largest = 1e-30;
  for (size_t i = 0; i < oracle.size(); ++i) {
    naive_error = std::max(naive_error, std::abs(naive[i] - oracle[i]));
    largest = std::max(largest, std::abs(oracle[i]));
  }
  const double allowed = tolerance.times * naive_error + tolerance.floor * largest;
  for (size_t i = 0; i < oracle.size(); ++i) {
    // Not "greater": NaN must fail.
    ASSERT_TRUE(std::abs(actual[i] - oracle[i]) <= allowed)
        << "element " << i << ": " << actual[i] << ", expected " << oracle[i] << " +- " << allowed;
  }
}

}  // namespace wde::ops::test
