#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status.h"
#include "retrieval/top_k.h"
#include "wde/retrieval.h"

namespace wde {
namespace retrieval {
namespace {

Status check_sparse(const SparseView& vector) {
  if (vector.indices.size() != vector.values.size()) {
    return invalid_argument_error("{} indices and {} values", vector.indices.size(),
                                  vector.values.size());
  }
  int32_t last = -1;
  for (size_t i = 0; i < vector.indices.size(); ++i) {
    const int32_t index = vector.indices[i];
    if (index <= last) {
      return invalid_argument_error("indices must rise from 0 on: {} follows {}", index, last);
    }
    if (!std::isfinite(vector.values[i])) {
      return invalid_argument_error("the component {} is NaN or infinite", index);
    }
    last = index;
  }
  return {};
}

// Components by index, as rows of a compressed matrix: index i's documents are
// [begins[i], begins[i + 1]) of `postings`.
class InvertedIndex final : public SparseIndex {
 public:
  explicit InvertedIndex(std::span<const SparseView> documents)
      : documents_(static_cast<int64_t>(documents.size())) {
    for (const SparseView& document : documents) {
      for (const int32_t component : document.indices) {
        const auto index = static_cast<size_t>(component);
        if (begins_.size() < index + 2) begins_.resize(index + 2, 0);
        ++begins_[index + 1];
      }
    }
    for (size_t i = 1; i < begins_.size(); ++i) begins_[i] += begins_[i - 1];
    fill(documents);
  }

  int64_t documents() const override { return documents_; }

  Result<std::vector<Hit>> search(const SparseView& query, int64_t top_k) const override {
    if (top_k < 1) return invalid_argument_error("top_k must be at least 1, not {}", top_k);
    WDE_RETURN_IF_ERROR(check_sparse(query).with_context("query"));
    std::vector<float> scores(static_cast<size_t>(documents_), 0.0f);
    for (size_t i = 0; i < query.indices.size(); ++i) {
      const auto index = static_cast<size_t>(query.indices[i]);
      if (index + 1 >= begins_.size()) break;  // indices rise: no document has any of the rest
      for (size_t at = begins_[index]; at < begins_[index + 1]; ++at) {
        const Posting& posting = postings_[at];
        scores[static_cast<size_t>(posting.document)] += query.values[i] * posting.value;
      }
    }
    TopK top(static_cast<size_t>(std::min(top_k, documents_)));
    for (size_t i = 0; i < scores.size(); ++i) top.push({static_cast<int64_t>(i), scores[i]});
    return top.take();
  }

 private:
  struct Posting {
    int64_t document;
    float value;
  };

  void fill(std::span<const SparseView> documents) {
    postings_.resize(begins_.empty() ? 0 : begins_.back());
    std::vector<size_t> next(begins_);
    for (size_t document = 0; document < documents.size(); ++document) {
      const SparseView& vector = documents[document];
      for (size_t i = 0; i < vector.indices.size(); ++i) {
        const size_t place = next[static_cast<size_t>(vector.indices[i])]++;
        postings_[place] = {static_cast<int64_t>(document), vector.values[i]};
      }
    }
  }

  int64_t documents_;
  std::vector<size_t> begins_;
  std::vector<Posting> postings_;
};

}  // namespace
}  // namespace retrieval

float sparse_dot(const SparseView& left, const SparseView& right) {
  float sum = 0;
  size_t i = 0, j = 0;
  while (i < left.indices.size() && j < right.indices.size()) {
    if (left.indices[i] < right.indices[j]) {
      ++i;
    } else if (left.indices[i] > right.indices[j]) {
      ++j;
    } else {
      sum += left.values[i++] * right.values[j++];
    }
  }
  return sum;
}

Result<std::unique_ptr<SparseIndex>> SparseIndex::create(std::span<const SparseView> documents) {
  for (size_t i = 0; i < documents.size(); ++i) {
    WDE_RETURN_IF_ERROR(
        retrieval::check_sparse(documents[i]).with_context(fmt::format("document {}", i)));
  }
  return std::unique_ptr<SparseIndex>(std::make_unique<retrieval::InvertedIndex>(documents));
}

}  // namespace wde
