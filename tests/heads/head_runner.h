// Loads and runs heads on any device, with hidden states and answers as host values.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "heads/head.h"
#include "layers/load_context.h"
#include "ops/registry.h"
#include "tensor/device_registry.h"

namespace wde::heads::test {

// Hidden states of ragged sequences, row-major.
struct Hidden {
  int64_t columns = 0;
  std::vector<float> values;
  std::vector<int32_t> lengths;
  std::vector<int32_t> skip;  // parallel to lengths

  int64_t tokens() const { return std::accumulate(lengths.begin(), lengths.end(), int64_t{0}); }
  int64_t sequences() const { return static_cast<int64_t>(lengths.size()); }
  double at(int64_t token, int64_t column) const {
    return values[static_cast<size_t>(token * columns + column)];
  }
};

class HeadRunner {
 public:
  explicit HeadRunner(const std::string& device)
      : device_(create_device(device).value()),
        ops_(*ops::choose_op_table(device_->kind()).value()),
        stream_(device_->create_stream()),
        arena_storage_(device_->allocate(kArenaBytes).value()) {}

  layers::LoadContext load_context(DType dtype = DType::kF32) {
    return {.device = device_, .ops = ops_, .dtype = dtype, .store = &store_};
  }

  // The head's rows; fails the test where the dry run asks for other workspace than the run takes.
  std::vector<float> run(const Head& head, const Hidden& hidden, DType dtype = DType::kF32) {
    Arena arena(arena_storage_.data(), kArenaBytes), measured = Arena::measuring();
    const layers::TokenBatch batch = upload(hidden);
    const TensorView states = upload_states(hidden, dtype);
    const int64_t rows = head.rows() == Rows::kPerToken ? hidden.tokens() : hidden.sequences();
    std::vector<float> answer(static_cast<size_t>(rows * head.columns()));
    const TensorView out = TensorView::contiguous(allocate(answer.size() * sizeof(float)),
                                                  DType::kF32, {rows, head.columns()});
    ops::OpContext context{.stream = *stream_, .ops = ops_, .arena = arena};
    ops::OpContext dry_run{.stream = *stream_, .ops = ops_, .arena = measured, .measuring = true};
    head.forward(dry_run, states, batch, out);
    head.forward(context, states, batch, out);
    stream_->copy_to_host(answer.data(), out.data, out.span_bytes());
    const Status status = stream_->synchronize();
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(arena.high_water_bytes(), measured.high_water_bytes());
    EXPECT_EQ(arena.used_bytes(), 0u);
    return answer;
  }

 private:
  static constexpr size_t kArenaBytes = size_t{1} << 20;

  void* allocate(size_t size_bytes) {
    storages_.push_back(device_->allocate(size_bytes).value());
    return storages_.back().data();
  }
  TensorView upload(const void* host, DType dtype, const Shape& shape) {
    const TensorView view = TensorView::contiguous(nullptr, dtype, shape);
    const TensorView uploaded = TensorView::contiguous(allocate(view.span_bytes()), dtype, shape);
    stream_->copy_to_device(uploaded.data, host, view.span_bytes());
    EXPECT_TRUE(stream_->synchronize().ok());
    return uploaded;
  }
  TensorView upload_states(const Hidden& hidden, DType dtype) {
    std::vector<std::byte> bytes(hidden.values.size() * dtype_size_bytes(dtype));
    convert_elements(hidden.values.data(), DType::kF32, bytes.data(), dtype, hidden.values.size());
    return upload(bytes.data(), dtype, {hidden.tokens(), hidden.columns});
  }
  // What a head reads of a batch.
  layers::TokenBatch upload(const Hidden& hidden) {
    cu_seqlens_.assign(1, 0);
    for (const int32_t length : hidden.lengths) cu_seqlens_.push_back(cu_seqlens_.back() + length);
    const int64_t B = hidden.sequences();
    return {.skip = upload(hidden.skip.data(), DType::kI32, {B}),
            .cu_seqlens = upload(cu_seqlens_.data(), DType::kI32, {B + 1}),
            .host_cu_seqlens = cu_seqlens_,
            .max_seqlen = *std::max_element(hidden.lengths.begin(), hidden.lengths.end())};
  }

  std::shared_ptr<Device> device_;
  const ops::OpTable& ops_;
  std::unique_ptr<Stream> stream_;
  Storage arena_storage_;
  std::vector<int32_t> cu_seqlens_;
  std::vector<Storage> storages_;
  layers::ParameterStore store_;
};

}  // namespace wde::heads::test
