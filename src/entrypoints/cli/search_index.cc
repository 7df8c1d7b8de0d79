#include "entrypoints/cli/search_index.h"

#include <utility>

namespace wde::cli {
namespace {

class DenseSearch final : public SearchIndex {
 public:
  DenseSearch(CorpusVectors vectors, std::unique_ptr<VectorIndex> index)
      : vectors_(std::move(vectors)), index_(std::move(index)) {}

  Result<std::vector<std::vector<Hit>>> search(std::span<const Response> queries,
                                               int64_t top_k) const override {
    std::vector<float> together;
    for (const Response& query : queries)
      together.insert(together.end(), query.values.begin(), query.values.end());
    return index_->search(together, top_k);
  }

 private:
  CorpusVectors vectors_;  // the index points into them
  std::unique_ptr<VectorIndex> index_;
};

// Collects the corpus' multi-vectors, then compares with them.
class MultiVectorSearch final : public SearchIndex, public Sink {
 public:
  Status write(Response response) override {
    columns_ = response.columns;
    values_.insert(values_.end(), response.values.begin(), response.values.end());
    begins_.push_back(begins_.back() + response.rows);
    return {};
  }
  Status flush() override { return {}; }
  Status finish() override { return {}; }

  Status build(const IndexOptions& options) {
    WDE_ASSIGN_OR_RETURN(index_, MultiVectorIndex::create(values_, std::max<int64_t>(1, columns_),
                                                          begins_, options));
    return {};
  }

  Result<std::vector<std::vector<Hit>>> search(std::span<const Response> queries,
                                               int64_t top_k) const override {
    std::vector<std::vector<Hit>> hits;
    for (const Response& query : queries) {
      WDE_ASSIGN_OR_RETURN(std::vector<Hit> found, index_->search(query.values, top_k));
      hits.push_back(std::move(found));
    }
    return hits;
  }

 private:
  int64_t columns_ = 0;
  std::vector<float> values_;
  std::vector<int64_t> begins_ = {0};
  std::unique_ptr<MultiVectorIndex> index_;
};

class SparseSearch final : public SearchIndex, public Sink {
 public:
  Status write(Response response) override {
    documents_.push_back(std::move(response.sparse));
    return {};
  }
  Status flush() override { return {}; }
  Status finish() override { return {}; }

  Status build() {
    std::vector<SparseView> views;
    for (const SparseVector& document : documents_) views.push_back(view(document));
    WDE_ASSIGN_OR_RETURN(index_, SparseIndex::create(views));
    documents_.clear();  // the index has its own
    return {};
  }

  Result<std::vector<std::vector<Hit>>> search(std::span<const Response> queries,
                                               int64_t top_k) const override {
    std::vector<std::vector<Hit>> hits;
    for (const Response& query : queries) {
      WDE_ASSIGN_OR_RETURN(std::vector<Hit> found, index_->search(view(query.sparse), top_k));
      hits.push_back(std::move(found));
    }
    return hits;
  }

 private:
  static SparseView view(const SparseVector& vector) { return {vector.indices, vector.values}; }

  std::vector<SparseVector> documents_;
  std::unique_ptr<SparseIndex> index_;
};

}  // namespace

Result<std::unique_ptr<SearchIndex>> make_vector_index(CorpusVectors vectors, int64_t columns,
                                                       const IndexOptions& options) {
  WDE_ASSIGN_OR_RETURN(std::unique_ptr<VectorIndex> index,
                       VectorIndex::create(vectors.values(), columns, options));
  return std::unique_ptr<SearchIndex>(
      std::make_unique<DenseSearch>(std::move(vectors), std::move(index)));
}

Result<std::unique_ptr<SearchIndex>> make_computed_index(Engine& engine,
                                                         std::span<const std::string> corpus,
                                                         const Request& request,
                                                         const IndexOptions& options,
                                                         Console& console) {
  if (request.task == Task::kSparse) {
    auto sparse = std::make_unique<SparseSearch>();
    WDE_RETURN_IF_ERROR(answer_corpus(engine, corpus, request, *sparse, console));
    WDE_RETURN_IF_ERROR(sparse->build());
    return std::unique_ptr<SearchIndex>(std::move(sparse));
  }
  auto vectors = std::make_unique<MultiVectorSearch>();
  WDE_RETURN_IF_ERROR(answer_corpus(engine, corpus, request, *vectors, console));
  WDE_RETURN_IF_ERROR(vectors->build(options));
  return std::unique_ptr<SearchIndex>(std::move(vectors));
}

}  // namespace wde::cli
