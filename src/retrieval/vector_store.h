// Rows of one length in the chosen storage, and the kernel that scores them: what the indexes of
// single and of several vectors stand on.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/thread_pool.h"
#include "retrieval/score_kernels.h"
#include "wde/retrieval.h"

namespace wde::retrieval {

// 1 / |row| of each row, 1e12 where it is 0 (torch.nn.functional.normalize's eps). Errors:
// kInvalidArgument naming the first row with NaN or infinity; `what` is "row" or "query".
Result<std::vector<float>> inverse_norms(std::span<const float> rows, int64_t columns,
                                         std::string_view what);

// Of `values` in rows of `columns`. Errors: kInvalidArgument.
Result<int64_t> count_rows(std::span<const float> values, int64_t columns);

// Immutable; the thread pool it holds serves one search at a time.
class VectorStore {
 public:
  // Errors: those of VectorIndex::create.
  static Result<VectorStore> create(std::span<const float> vectors, int64_t columns,
                                    const IndexOptions& options);

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  ThreadPool& pool() const { return *pool_; }
  // Rows that fill a good part of L2.
  int64_t block_rows() const;

  // out[q * (end - begin) + (row - begin)], as the similarity has it for kCosine's norms applied
  // by `query_inverse_norms` and the rows' own.
  void score(int64_t begin, int64_t end, std::span<const float> queries,
             std::span<const float> query_inverse_norms, float* out) const;
  // Dot products, whatever the similarity.
  void dot(int64_t begin, int64_t end, std::span<const float> queries, float* out) const;

 private:
  VectorStore() = default;
  void convert(std::span<const float> vectors);
  void run(ScoreKernel kernel, int64_t begin, int64_t end, std::span<const float> queries,
           float* out) const;

  int64_t rows_ = 0;
  int64_t columns_ = 0;
  Similarity similarity_ = Similarity::kCosine;
  VectorStorage storage_ = VectorStorage::kF32;
  ScoreKernel kernel_ = nullptr;
  ScoreKernel dot_kernel_ = nullptr;
  const void* data_ = nullptr;
  std::vector<uint16_t> bf16_;
  std::vector<int8_t> int8_;
  std::vector<float> scales_;  // of int8_
  std::vector<float> inverse_norms_;
  std::unique_ptr<ThreadPool> pool_;
};

}  // namespace wde::retrieval
