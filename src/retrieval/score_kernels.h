// Rows against queries, compiled once per instruction set: the inner loop of every dense search.
#pragma once

#include <cstdint>
#include <string_view>

#include "wde/retrieval.h"

namespace wde::retrieval {

enum class Reduction { kDot, kSquaredDistance, kAbsoluteDistance };

// Contiguous rows of one storage.
struct StoredRows {
  const void* data = nullptr;     // f32, bf16 bits, or int8 [count, columns]
  const float* scales = nullptr;  // kInt8: [count], a row's value is its scale times the integer
  int64_t count = 0;
  int64_t columns = 0;
};

// out[query * rows.count + row] = the reduction over columns.
struct ScoreBlock {
  StoredRows rows;
  const float* queries = nullptr;  // [query_count, columns]
  int64_t query_count = 0;
  float* out = nullptr;
};

// A pair's sum is one chain of multiply-adds per vector lane, whatever else is in the block.
using ScoreKernel = void (*)(const ScoreBlock& block);

// For an op table's instruction set ("avx2", …, "reference"); null for a name without kernels.
ScoreKernel score_kernel(std::string_view isa, VectorStorage storage, Reduction reduction);
// Plain loops in double precision, the control group.
ScoreKernel reference_score_kernel(VectorStorage storage, Reduction reduction);

}  // namespace wde::retrieval
