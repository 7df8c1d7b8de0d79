// The search behind `wde search`, apart from its flags and files: which task and prompts, queries
// through an engine against a corpus' index, and another model that scores the best again.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "entrypoints/cli/search_index.h"
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

// The first of embed, multivector and sparse that the model serves, or `wanted`. Errors:
// kInvalidArgument for one that it does not serve or that compares nothing.
Result<Task> choose_search_task(const ModelInfo& info, std::optional<Task> wanted);

// Scores pairs of a query and a text by a reranker.
class Reranker {
 public:
  // Both outlive it.
  Reranker(Engine& engine, std::span<const std::string> texts) : engine_(engine), texts_(texts) {}

  // The hits with their new scores, sorted, the best `top_k`. Blocks. Errors: the engine's.
  Result<std::vector<Hit>> rerank(const std::string& query, std::span<const Hit> hits,
                                  int64_t top_k) const;

 private:
  Engine& engine_;
  std::span<const std::string> texts_;
};

class Searcher {
 public:
  // All outlive the searcher. `request`: the fields of a query's request but its input.
  Searcher(Engine& engine, const SearchIndex& index, Request request)
      : engine_(engine), index_(index), request_(std::move(request)) {}

  // The hits of each query, in their order. Blocks. Errors: the first query's that fails.
  Result<std::vector<std::vector<Hit>>> search(std::span<const std::string> queries, int64_t top_k);

 private:
  Engine& engine_;
  const SearchIndex& index_;
  Request request_;
};

}  // namespace wde::cli
