#include <cmath>

#include "base/dtype.h"
#include "retrieval/score_kernels.h"

namespace wde::retrieval {
namespace {

template <VectorStorage kStorage>
double value(const StoredRows& rows, int64_t row, int64_t column) {
  const int64_t at = row * rows.columns + column;
  if constexpr (kStorage == VectorStorage::kF32) return static_cast<const float*>(rows.data)[at];
  if constexpr (kStorage == VectorStorage::kBF16)
    return to_f32(static_cast<const bf16*>(rows.data)[at]);
  // The product is rounded to f32, as the stored value is.
  if constexpr (kStorage == VectorStorage::kInt8)
    return rows.scales[row] * static_cast<float>(static_cast<const int8_t*>(rows.data)[at]);
}

template <VectorStorage kStorage, Reduction kReduction>
void run(const ScoreBlock& block) {
  for (int64_t query = 0; query < block.query_count; ++query) {
    for (int64_t row = 0; row < block.rows.count; ++row) {
      double sum = 0;
      for (int64_t column = 0; column < block.rows.columns; ++column) {
        const double left = value<kStorage>(block.rows, row, column);
        const double right = block.queries[query * block.rows.columns + column];
        if (kReduction == Reduction::kDot) sum += left * right;
        if (kReduction == Reduction::kSquaredDistance) sum += (left - right) * (left - right);
        if (kReduction == Reduction::kAbsoluteDistance) sum += std::abs(left - right);
      }
      block.out[query * block.rows.count + row] = static_cast<float>(sum);
    }
  }
}

template <VectorStorage kStorage>
ScoreKernel by_reduction(Reduction reduction) {
  switch (reduction) {
    case Reduction::kDot:
      return run<kStorage, Reduction::kDot>;
    case Reduction::kSquaredDistance:
      return run<kStorage, Reduction::kSquaredDistance>;
    case Reduction::kAbsoluteDistance:
      return run<kStorage, Reduction::kAbsoluteDistance>;
  }
  return nullptr;
}

}  // namespace

ScoreKernel reference_score_kernel(VectorStorage storage, Reduction reduction) {
  switch (storage) {
    case VectorStorage::kF32:
      return by_reduction<VectorStorage::kF32>(reduction);
    case VectorStorage::kBF16:
      return by_reduction<VectorStorage::kBF16>(reduction);
    case VectorStorage::kInt8:
      return by_reduction<VectorStorage::kInt8>(reduction);
  }
  return nullptr;
}

}  // namespace wde::retrieval
