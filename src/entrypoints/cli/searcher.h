// The search behind `wde search`, apart from its flags and files: queries through an engine against
// vectors of a corpus.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "wde/engine.h"
#include "wde/retrieval.h"

namespace wde::cli {

// Which prompts texts get: the model's "query" for queries; "document", "passage" or "corpus", the
// first that it names, for the corpus; as sentence-transformers' encode_query and encode_document.
// Nothing where the command line sets a prompt for both.
struct SearchPrompts {
  std::optional<std::string> query;
  std::optional<std::string> document;
};
SearchPrompts choose_prompts(const ModelInfo& info, const EngineOptions& options);

class Searcher {
 public:
  // All outlive the searcher. `request`: the fields of a query's request but its input.
  Searcher(Engine& engine, const VectorIndex& index, Request request, int64_t top_k)
      : engine_(engine), index_(index), request_(std::move(request)), top_k_(top_k) {}

  // The hits of each query, in their order. Blocks. Errors: the first query's that fails.
  Result<std::vector<std::vector<Hit>>> search(std::span<const std::string> queries);

 private:
  Engine& engine_;
  const VectorIndex& index_;
  Request request_;
  int64_t top_k_;
};

}  // namespace wde::cli
