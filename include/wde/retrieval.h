// Brute-force retrieval over vectors in memory: scores as sentence-transformers' similarity
// functions, exact top-k, MaxSim of multi-vector models, dot products of sparse vectors. Public;
// needs no engine.
//
//   auto index = wde::VectorIndex::create(corpus_vectors, 384, {});
//   auto hits = (*index)->search(query_vectors, 10);
//
// A score depends on its two vectors alone: not on the other queries or rows, and not on threads.
// Hits are sorted by falling score, equal scores by rising index.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wde/status.h"

namespace wde {

// The larger, the nearer: distances count negative, as in sentence-transformers.
enum class Similarity { kCosine, kDot, kEuclidean, kManhattan };

// "cosine", "dot", "euclidean", "manhattan": similarity_fn_name of
// config_sentence_transformers.json.
std::string_view similarity_name(Similarity similarity);
// Errors: kInvalidArgument, with the names there are.
Result<Similarity> parse_similarity(std::string_view name);

enum class VectorStorage {
  kF32,   // as given; the vectors stay the caller's
  kBF16,  // half the memory and so about twice the speed of few queries; 8 bits of precision
  kInt8,  // a quarter; each row with a scale of its own
};

struct Hit {
  int64_t index = 0;  // of the row or document
  float score = 0;
  bool operator==(const Hit&) const = default;
};

struct IndexOptions {
  Similarity similarity = Similarity::kCosine;
  VectorStorage storage = VectorStorage::kF32;
  int threads = 0;  // 0: every core this process may use
  std::string isa;  // forces an instruction set by name; empty: WDE_ISA's, else the best
};

// Vectors of one length. Thread-safe; searches take turns, each using all threads.
class VectorIndex {
 public:
  // `vectors`: row-major [rows, columns]; with kF32 they are not copied and must outlive the index
  // unchanged. Errors: kInvalidArgument (columns below 1, a size that is no multiple of them, a row
  // with NaN or infinity: the message says which), kUnsupported (the instruction set).
  static Result<std::unique_ptr<VectorIndex>> create(std::span<const float> vectors,
                                                     int64_t columns, const IndexOptions& options);
  virtual ~VectorIndex() = default;

  virtual int64_t rows() const = 0;
  virtual int64_t columns() const = 0;

  // `queries`: row-major [Q, columns]. The `top_k` nearest rows (all, where there are fewer) of
  // each. Blocks. Errors: kInvalidArgument (the queries' size, NaN or infinity, top_k below 1).
  virtual Result<std::vector<std::vector<Hit>>> search(std::span<const float> queries,
                                                       int64_t top_k) const = 0;
  // Every score, row-major [Q, rows]. Blocks. Errors: as search().
  virtual Result<std::vector<float>> scores(std::span<const float> queries) const = 0;
};

// Documents of several vectors each, scored by MaxSim (ColBERT, arxiv.org/abs/2004.12832): the sum
// over a query's vectors of the largest dot product with a document's. The vectors are taken as
// they are: models of this kind normalize them. Thread-safe; searches take turns.
class MultiVectorIndex {
 public:
  // Of a document without vectors: below any real one, as in sentence-transformers.
  static constexpr float kEmptyScore = -1e9f;

  // `vectors`: all documents' rows one after the other, row-major; document i has the rows
  // [begins[i], begins[i + 1]), so that `begins` has one entry more than there are documents.
  // `options.similarity` is not looked at. Errors: as VectorIndex::create; also kInvalidArgument
  // for begins that do not rise from 0 to the number of rows.
  static Result<std::unique_ptr<MultiVectorIndex>> create(std::span<const float> vectors,
                                                          int64_t columns,
                                                          std::span<const int64_t> begins,
                                                          const IndexOptions& options);
  virtual ~MultiVectorIndex() = default;

  virtual int64_t documents() const = 0;
  virtual int64_t columns() const = 0;

  // `query`: one query's vectors, row-major. Blocks. Errors: as VectorIndex::search.
  virtual Result<std::vector<Hit>> search(std::span<const float> query, int64_t top_k) const = 0;
  // Every document's score.
  virtual Result<std::vector<float>> scores(std::span<const float> query) const = 0;
};

// A sparse vector that lies elsewhere: rising indices and as many values.
struct SparseView {
  std::span<const int32_t> indices;
  std::span<const float> values;
};

// Sum of the products where both have a component.
float sparse_dot(const SparseView& left, const SparseView& right);

// Sparse documents behind an inverted index; scores are dot products. Thread-safe.
class SparseIndex {
 public:
  // Copies what it needs. Errors: kInvalidArgument (indices that do not rise or are below 0, not as
  // many values, NaN or infinity: the message says in which document).
  static Result<std::unique_ptr<SparseIndex>> create(std::span<const SparseView> documents);
  virtual ~SparseIndex() = default;

  virtual int64_t documents() const = 0;
  // Documents that share no component with the query score 0 and count as well. Errors:
  // kInvalidArgument (the query, top_k below 1).
  virtual Result<std::vector<Hit>> search(const SparseView& query, int64_t top_k) const = 0;
};

}  // namespace wde
