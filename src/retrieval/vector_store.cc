#include "retrieval/vector_store.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/dtype.h"
#include "base/env.h"
#include "ops/registry.h"

namespace wde::retrieval {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int64_t kBlockBytes = 256 * 1024;  // the smallest L2 we meet has 512 KiB
constexpr int64_t kLeastBlockRows = 16;
constexpr double kLeastNorm = 1e-12;
constexpr float kInt8Max = 127;

size_t storage_bytes(VectorStorage storage) {
  switch (storage) {
    case VectorStorage::kF32:
      return 4;
    case VectorStorage::kBF16:
      return 2;
    case VectorStorage::kInt8:
      return 1;
  }
  return 4;
}

Reduction reduction_of(Similarity similarity) {
  switch (similarity) {
    case Similarity::kCosine:
    case Similarity::kDot:
      return Reduction::kDot;
    case Similarity::kEuclidean:
      return Reduction::kSquaredDistance;
    case Similarity::kManhattan:
      return Reduction::kAbsoluteDistance;
  }
  return Reduction::kDot;
}

// In double, several sums side by side. Not finite only when a value is not: the square of the
// largest float is far from the largest double.
double squared_norm(std::span<const float> row) {
  constexpr size_t kSums = 8;
  double sums[kSums] = {};
  size_t i = 0;
  for (; i + kSums <= row.size(); i += kSums) {
    for (size_t lane = 0; lane < kSums; ++lane) {
      const double value = row[i + lane];
      sums[lane] += value * value;
    }
  }
  for (; i < row.size(); ++i) sums[0] += static_cast<double>(row[i]) * row[i];
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

// The row's scale.
float quantize(std::span<const float> row, int8_t* to) {
  float largest = 0;
  for (const float value : row) largest = std::max(largest, std::abs(value));
  const float scale = largest / kInt8Max;
  for (size_t i = 0; i < row.size(); ++i) {
    to[i] = scale == 0 ? int8_t{0} : static_cast<int8_t>(std::lrint(row[i] / scale));
  }
  return scale;
}

Result<std::string_view> choose_isa(const IndexOptions& options) {
  const std::string forced = options.isa.empty() ? env::get("WDE_ISA").value_or("") : options.isa;
  WDE_ASSIGN_OR_RETURN(const ops::OpTable* table, ops::choose_op_table("cpu", forced));
  return table->name;
}

}  // namespace

Result<std::vector<float>> inverse_norms(std::span<const float> rows, int64_t columns,
                                         std::string_view what) {
  const auto width = static_cast<size_t>(columns);
  std::vector<float> norms(rows.size() / width);
  for (size_t row = 0; row < norms.size(); ++row) {
    const double squared = squared_norm(rows.subspan(row * width, width));
    if (!std::isfinite(squared)) {
      return invalid_argument_error("{} {} holds NaN or infinity", what, row);
    }
    norms[row] = static_cast<float>(1 / std::max(std::sqrt(squared), kLeastNorm));
  }
  return norms;
}

Result<int64_t> count_rows(std::span<const float> values, int64_t columns) {
  if (columns < 1) return invalid_argument_error("vectors of {} components", columns);
  const auto width = static_cast<size_t>(columns);
  if (values.size() % width != 0) {
    return invalid_argument_error("{} values do not make whole vectors of {}", values.size(),
                                  columns);
  }
  return static_cast<int64_t>(values.size() / width);
}

Result<VectorStore> VectorStore::create(std::span<const float> vectors, int64_t columns,
                                        const IndexOptions& options) {
  if (options.threads < 0 || options.threads > kMaxThreads) {
    return invalid_argument_error("threads must be from 0 to {}, not {}", kMaxThreads,
                                  options.threads);
  }
  VectorStore store;
  WDE_ASSIGN_OR_RETURN(store.rows_, count_rows(vectors, columns));
  WDE_ASSIGN_OR_RETURN(store.inverse_norms_, inverse_norms(vectors, columns, "row"));
  WDE_ASSIGN_OR_RETURN(const std::string_view isa, choose_isa(options));
  store.columns_ = columns;
  store.similarity_ = options.similarity;
  store.storage_ = options.storage;
  store.kernel_ = score_kernel(isa, options.storage, reduction_of(options.similarity));
  store.dot_kernel_ = score_kernel(isa, options.storage, Reduction::kDot);
  if (store.kernel_ == nullptr || store.dot_kernel_ == nullptr) {
    return unsupported_error("no retrieval kernels for the instruction set {}", isa);
  }
  store.convert(vectors);
  store.pool_ =
      std::make_unique<ThreadPool>(options.threads > 0 ? options.threads : available_cores());
  return store;
}

void VectorStore::convert(std::span<const float> vectors) {
  const auto width = static_cast<size_t>(columns_);
  switch (storage_) {
    case VectorStorage::kF32:
      data_ = vectors.data();
      return;
    case VectorStorage::kBF16:
      bf16_.resize(vectors.size());
      convert_elements(vectors.data(), DType::kF32, bf16_.data(), DType::kBF16, vectors.size());
      data_ = bf16_.data();
      return;
    case VectorStorage::kInt8:
      int8_.resize(vectors.size());
      scales_.resize(static_cast<size_t>(rows_));
      for (size_t row = 0; row < scales_.size(); ++row) {
        scales_[row] = quantize(vectors.subspan(row * width, width), int8_.data() + row * width);
      }
      data_ = int8_.data();
      return;
  }
}

int64_t VectorStore::block_rows() const {
  const auto row_bytes = columns_ * static_cast<int64_t>(storage_bytes(storage_));
  return std::max(kLeastBlockRows, kBlockBytes / row_bytes);
}

void VectorStore::run(ScoreKernel kernel, int64_t begin, int64_t end,
                      std::span<const float> queries, float* out) const {
  const auto* bytes = static_cast<const std::byte*>(data_);
  const size_t offset = static_cast<size_t>(begin * columns_) * storage_bytes(storage_);
  kernel({.rows = {.data = bytes + offset,
                   .scales = scales_.empty() ? nullptr : scales_.data() + begin,
                   .count = end - begin,
                   .columns = columns_},
          .queries = queries.data(),
          .query_count = static_cast<int64_t>(queries.size()) / columns_,
          .out = out});
}

void VectorStore::dot(int64_t begin, int64_t end, std::span<const float> queries,
                      float* out) const {
  run(dot_kernel_, begin, end, queries, out);
}

void VectorStore::score(int64_t begin, int64_t end, std::span<const float> queries,
                        std::span<const float> query_inverse_norms, float* out) const {
  run(kernel_, begin, end, queries, out);
  const int64_t count = end - begin;
  for (const float query_norm : query_inverse_norms) {
    switch (similarity_) {
      case Similarity::kCosine:
        for (int64_t i = 0; i < count; ++i) {
          out[i] *= query_norm * inverse_norms_[static_cast<size_t>(begin + i)];
        }
        break;
      case Similarity::kDot:
        break;
      case Similarity::kEuclidean:
        for (int64_t i = 0; i < count; ++i) out[i] = -std::sqrt(out[i]);
        break;
      case Similarity::kManhattan:
        for (int64_t i = 0; i < count; ++i) out[i] = -out[i];
        break;
    }
    out += count;
  }
}

}  // namespace wde::retrieval
