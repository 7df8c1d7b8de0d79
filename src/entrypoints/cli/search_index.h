// What a corpus' answers become, and what a query's answer is compared with: one kind for each task
// that gives something comparable.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "entrypoints/cli/search_corpus.h"
#include "wde/retrieval.h"
#include "wde/types.h"

namespace wde::cli {

class SearchIndex {
 public:
  virtual ~SearchIndex() = default;
  // The hits of each query's answer, in their order. Errors: those of the index (a query with NaN).
  virtual Result<std::vector<std::vector<Hit>>> search(std::span<const Response> queries,
                                                       int64_t top_k) const = 0;
};

// Of kEmbed. Errors: those of VectorIndex::create.
Result<std::unique_ptr<SearchIndex>> make_vector_index(CorpusVectors vectors, int64_t columns,
                                                       const IndexOptions& options);

// Of kMultiVector (MaxSim) and kSparse (dot products): embeds the corpus' lines with the fields of
// `request`, whose task says which. Errors: of the input, the engine and the index.
Result<std::unique_ptr<SearchIndex>> make_computed_index(Engine& engine,
                                                         std::span<const std::string> corpus,
                                                         const Request& request,
                                                         const IndexOptions& options,
                                                         Console& console);

}  // namespace wde::cli
