#include <algorithm>
#include <mutex>
#include <utility>

#include "retrieval/top_k.h"
#include "retrieval/vector_store.h"

namespace wde {
namespace retrieval {
namespace {

// Query vectors that are scored together; more go in several rounds, which keeps scratch small.
constexpr int64_t kVectorsTogether = 128;

Status check_begins(std::span<const int64_t> begins, int64_t rows) {
  const bool rising = std::is_sorted(begins.begin(), begins.end());
  if (!begins.empty() && rising && begins.front() == 0 && begins.back() == rows) return {};
  return invalid_argument_error("the documents' begins must rise from 0 to the number of rows, {}",
                                rows);
}

class MaxSimIndex final : public MultiVectorIndex {
 public:
  MaxSimIndex(VectorStore store, std::span<const int64_t> begins)
      : store_(std::move(store)), begins_(begins.begin(), begins.end()) {
    cut_blocks();
  }

  int64_t documents() const override { return static_cast<int64_t>(begins_.size()) - 1; }
  int64_t columns() const override { return store_.columns(); }

  Result<std::vector<Hit>> search(std::span<const float> query, int64_t top_k) const override {
    if (top_k < 1) return invalid_argument_error("top_k must be at least 1, not {}", top_k);
    WDE_ASSIGN_OR_RETURN(const std::vector<float> all, scores(query));
    TopK top(static_cast<size_t>(std::min(top_k, documents())));
    for (size_t i = 0; i < all.size(); ++i) top.push({static_cast<int64_t>(i), all[i]});
    return top.take();
  }

  Result<std::vector<float>> scores(std::span<const float> query) const override {
    WDE_RETURN_IF_ERROR(count_rows(query, columns()).status().with_context("query"));
    WDE_RETURN_IF_ERROR(inverse_norms(query, columns(), "query vector").status());
    std::vector<float> all(static_cast<size_t>(documents()), 0.0f);
    const std::lock_guard lock(mutex_);
    std::vector<std::vector<float>> scratch(static_cast<size_t>(store_.pool().threads()));
    store_.pool().parallel_for(blocks_.size() - 1, [&](size_t index, int thread) {
      score_block(query, blocks_[index], blocks_[index + 1], scratch[static_cast<size_t>(thread)],
                  all.data());
    });
    return all;
  }

 private:
  // Whole documents of about block_rows() rows together.
  void cut_blocks() {
    blocks_.push_back(0);
    for (int64_t document = 1; document <= documents(); ++document) {
      const int64_t rows = begin_of(document) - begin_of(blocks_.back());
      if (rows >= store_.block_rows() || document == documents()) blocks_.push_back(document);
    }
  }

  int64_t begin_of(int64_t document) const { return begins_[static_cast<size_t>(document)]; }

  void score_block(std::span<const float> query, int64_t first, int64_t last,
                   std::vector<float>& scratch, float* all) const {
    const int64_t begin = begin_of(first), end = begin_of(last), rows = end - begin;
    const int64_t vectors = static_cast<int64_t>(query.size()) / columns();
    for (int64_t vector = 0; vector < vectors; vector += kVectorsTogether) {
      const int64_t count = std::min(kVectorsTogether, vectors - vector);
      scratch.resize(std::max(scratch.size(), static_cast<size_t>(count * rows)));
      store_.dot(begin, end,
                 query.subspan(static_cast<size_t>(vector * columns()),
                               static_cast<size_t>(count * columns())),
                 scratch.data());
      for (int64_t document = first; document < last; ++document) {
        all[document] += sum_of_largest({.scores = scratch.data() + begin_of(document) - begin,
                                         .vectors = count,
                                         .stride = rows,
                                         .rows = begin_of(document + 1) - begin_of(document)});
      }
    }
    for (int64_t document = first; document < last; ++document) {
      if (begin_of(document) == begin_of(document + 1)) all[document] = kEmptyScore;
    }
  }

  // Scores of one document's rows: `vectors` rows of them, `stride` apart.
  struct DocumentScores {
    const float* scores;
    int64_t vectors;
    int64_t stride;
    int64_t rows;
  };

  static float sum_of_largest(const DocumentScores& document) {
    if (document.rows == 0) return 0;
    float sum = 0;
    for (int64_t vector = 0; vector < document.vectors; ++vector) {
      const float* scores = document.scores + vector * document.stride;
      sum += *std::max_element(scores, scores + document.rows);
    }
    return sum;
  }

  VectorStore store_;
  std::vector<int64_t> begins_;
  std::vector<int64_t> blocks_;  // documents at which blocks begin, and their number at the end
  mutable std::mutex mutex_;
};

}  // namespace
}  // namespace retrieval

Result<std::unique_ptr<MultiVectorIndex>> MultiVectorIndex::create(std::span<const float> vectors,
                                                                   int64_t columns,
                                                                   std::span<const int64_t> begins,
                                                                   const IndexOptions& options) {
  WDE_ASSIGN_OR_RETURN(retrieval::VectorStore store,
                       retrieval::VectorStore::create(vectors, columns, options));
  WDE_RETURN_IF_ERROR(retrieval::check_begins(begins, store.rows()));
  return std::unique_ptr<MultiVectorIndex>(
      std::make_unique<retrieval::MaxSimIndex>(std::move(store), begins));
}

}  // namespace wde
