#include "layers/low_rank.h"

#include <algorithm>

#include "base/status.h"
#include "tensor/computed_rows.h"

namespace wde::layers {

TensorView append_columns(const TensorView& weight, const LowRankWeights& low_rank,
                          std::vector<float>* storage) {
  const int64_t N = weight.rows(), K = weight.row_elements(), r = low_rank.rank;
  const int64_t width = K + low_rank.columns();
  storage->resize(static_cast<size_t>(N * width));
  for (int64_t n = 0; n < N; ++n) {
    float* row = storage->data() + n * width;
    read_f32(weight.slice_rows(n, 1), row);
    for (int64_t i = 0; i < low_rank.adapters; ++i) {
      float* columns = row + K + i * r;
      read_f32(low_rank.up.slice_rows(i * N + n, 1), columns);
      for (int64_t c = 0; c < r; ++c) columns[c] *= low_rank.scale;
    }
  }
  return TensorView::contiguous(storage->data(), DType::kF32, {N, width});
}

Result<std::unique_ptr<LowRankInput>> LowRankInput::load(LoadContext& context,
                                                         const LowRankWeights& weights) {
  auto input = std::make_unique<LowRankInput>();
  input->columns_ = weights.columns();
  const int64_t K = weights.down.row_elements(), r = weights.rank;
  const ops::GemmProblem problem{
      .dtype = context.dtype, .output_dtype = context.dtype, .n = weights.columns(), .k = K};
  for (int64_t i = 0; i <= weights.adapters; ++i) {
    if (context.planning) {
      context.weight_bytes += ops::packed_bytes(problem);
      continue;
    }
    std::vector<float> matrix(static_cast<size_t>(problem.n * K));
    if (i < weights.adapters) {
      read_f32(weights.down.slice_rows(i * r, r), matrix.data() + i * r * K);
    }
    WDE_ASSIGN_OR_RETURN(
        auto gemm,
        ops::create_gemm(
            problem, {.weight = TensorView::contiguous(matrix.data(), DType::kF32, {problem.n, K})},
            *context.device, context.ops, context.gemm_backend));
    context.weight_bytes += gemm->weight_bytes();
    input->down_.push_back(std::move(gemm));
  }
  return input;
}

TensorView LowRankInput::forward(ops::OpContext& context, const TensorView& x, int adapter) const {
  const int64_t K = x.row_elements();
  const TensorView wide = context.arena.allocate(x.dtype, {x.rows(), K + columns_});
  ops::convert(context, {.x = x, .out = wide.slice_columns(0, K)});
  const size_t index = adapter < 0 ? down_.size() - 1 : static_cast<size_t>(adapter);
  ops::gemm(context, *down_[index], {.x = x, .residual = {}, .y = wide.slice_columns(K, columns_)});
  return wide;
}

}  // namespace wde::layers
