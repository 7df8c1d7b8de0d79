#include <algorithm>
#include <mutex>
#include <utility>

#include "retrieval/top_k.h"
#include "retrieval/vector_store.h"

namespace wde {
namespace retrieval {
namespace {

// Queries that pass over the rows together: enough to be bound by arithmetic, few enough for their
// vectors and heaps to stay small.
constexpr size_t kQueriesTogether = 64;

class BruteForceIndex final : public VectorIndex {
 public:
  explicit BruteForceIndex(VectorStore store) : store_(std::move(store)) {}

  int64_t rows() const override { return store_.rows(); }
  int64_t columns() const override { return store_.columns(); }

  Result<std::vector<std::vector<Hit>>> search(std::span<const float> queries,
                                               int64_t top_k) const override {
    if (top_k < 1) return invalid_argument_error("top_k must be at least 1, not {}", top_k);
    WDE_ASSIGN_OR_RETURN(const std::vector<float> norms, check_queries(queries));
    const auto capacity = static_cast<size_t>(std::min(top_k, rows()));
    std::vector<std::vector<Hit>> hits;
    hits.reserve(norms.size());
    const std::lock_guard lock(mutex_);
    for (size_t begin = 0; begin < norms.size(); begin += kQueriesTogether) {
      search_together(queries, norms, begin, std::min(norms.size(), begin + kQueriesTogether),
                      capacity, &hits);
    }
    return hits;
  }

  Result<std::vector<float>> scores(std::span<const float> queries) const override {
    WDE_ASSIGN_OR_RETURN(const std::vector<float> norms, check_queries(queries));
    const auto width = static_cast<size_t>(columns());
    std::vector<float> all(norms.size() * static_cast<size_t>(rows()));
    const std::lock_guard lock(mutex_);
    // Query by query: the scores of several would lie a block's rows apart, not all rows.
    store_.pool().parallel_for(norms.size() * blocks(), [&](size_t index, int) {
      const size_t query = index / blocks();
      const int64_t first = static_cast<int64_t>(index % blocks()) * store_.block_rows();
      const int64_t last = std::min(rows(), first + store_.block_rows());
      store_.score(first, last, queries.subspan(query * width, width),
                   std::span(norms).subspan(query, 1),
                   all.data() + static_cast<int64_t>(query) * rows() + first);
    });
    return all;
  }

 private:
  size_t blocks() const {
    const int64_t block = store_.block_rows();
    return static_cast<size_t>((rows() + block - 1) / block);
  }

  // Their inverse norms.
  Result<std::vector<float>> check_queries(std::span<const float> queries) const {
    WDE_RETURN_IF_ERROR(count_rows(queries, columns()).status().with_context("queries"));
    return inverse_norms(queries, columns(), "query");
  }

  void search_together(std::span<const float> queries, std::span<const float> norms, size_t begin,
                       size_t end, size_t capacity, std::vector<std::vector<Hit>>* hits) const {
    const auto width = static_cast<size_t>(columns());
    const size_t count = end - begin;
    const auto threads = static_cast<size_t>(store_.pool().threads());
    std::vector<TopK> best(threads * count, TopK(capacity));
    std::vector<std::vector<float>> scratch(threads);
    const int64_t block = store_.block_rows();
    store_.pool().parallel_for(blocks(), [&](size_t index, int thread) {
      const int64_t first = static_cast<int64_t>(index) * block;
      const int64_t last = std::min(rows(), first + block);
      std::vector<float>& scores = scratch[static_cast<size_t>(thread)];
      scores.resize(count * static_cast<size_t>(block));
      store_.score(first, last, queries.subspan(begin * width, count * width),
                   norms.subspan(begin, count), scores.data());
      const float* score = scores.data();
      for (size_t query = 0; query < count; ++query) {
        TopK& top = best[static_cast<size_t>(thread) * count + query];
        for (int64_t row = first; row < last; ++row) top.push({row, *score++});
      }
    });
    for (size_t query = 0; query < count; ++query) {
      TopK& top = best[query];
      for (size_t thread = 1; thread < threads; ++thread) top.merge(best[thread * count + query]);
      hits->push_back(top.take());
    }
  }

  VectorStore store_;
  mutable std::mutex mutex_;
};

}  // namespace
}  // namespace retrieval

Result<std::unique_ptr<VectorIndex>> VectorIndex::create(std::span<const float> vectors,
                                                         int64_t columns,
                                                         const IndexOptions& options) {
  WDE_ASSIGN_OR_RETURN(retrieval::VectorStore store,
                       retrieval::VectorStore::create(vectors, columns, options));
  return std::unique_ptr<VectorIndex>(
      std::make_unique<retrieval::BruteForceIndex>(std::move(store)));
}

}  // namespace wde
