// One run of `wde search`: the models, the corpus and its index, from the flags to answered
// queries. Main thread.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "entrypoints/cli/console.h"
#include "entrypoints/cli/input.h"
#include "entrypoints/cli/output.h"
#include "entrypoints/cli/search_index.h"
#include "entrypoints/cli/searcher.h"

namespace wde::cli {

enum class ReportFormat { kAuto, kJson, kText };

struct SearchFlags {
  EngineOptions engine;
  InputOptions corpus{.path = ""};
  InputOptions stdin_queries;
  std::vector<std::string> queries;
  std::string index;
  std::string output = "-";
  std::optional<Similarity> similarity;
  VectorStorage storage = VectorStorage::kF32;
  std::optional<int> dimensions;
  int64_t top_k = 10;
  std::string rerank;  // a model; empty: none
  int64_t rerank_top = 50;
  ReportFormat format = ReportFormat::kAuto;
};

class SearchSession {
 public:
  // The flags and the console outlive it.
  SearchSession(Console& console, const SearchFlags& flags, std::vector<std::string> texts)
      : console_(console), flags_(flags), texts_(std::move(texts)) {}

  // Loads the models: one, one for each side where a Router has a route for each, and the reranker.
  // Errors: those of Engine::load.
  Status load();
  // Has the corpus' vectors computed or read, and indexes them. Errors: kInvalidArgument (flags
  // that do not fit the model or the file), kDataLoss (vectors with NaN), those of the engine.
  Status index();
  // Writes the answers of the queries, in their order, and flushes. Errors: of the engine and of
  // the output.
  Status answer(std::span<const std::string> queries, Output& output);

 private:
  Result<std::unique_ptr<Engine>> load_side(const std::optional<std::string>& route) const;
  Status load_routes();
  Request request(const std::optional<std::string>& prompt_name) const;
  Status check_dimensions() const;
  Result<IndexOptions> index_options() const;
  Status index_vectors(const IndexOptions& options);
  Result<CorpusVectors> corpus_vectors();
  Engine& query_engine() { return query_engine_ != nullptr ? *query_engine_ : *engine_; }

  Console& console_;
  const SearchFlags& flags_;
  std::vector<std::string> texts_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Engine> query_engine_;  // null: engine_ serves both sides
  std::unique_ptr<Engine> rerank_engine_;
  Task task_ = Task::kEmbed;
  SearchPrompts prompts_;
  int64_t columns_ = 0;
  std::unique_ptr<SearchIndex> index_;
};

}  // namespace wde::cli
