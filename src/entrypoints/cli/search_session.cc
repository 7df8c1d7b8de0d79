#include "entrypoints/cli/search_session.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "entrypoints/cli/command.h"
#include "entrypoints/cli/search_report.h"

namespace wde::cli {

Status SearchSession::load() {
  WDE_ASSIGN_OR_RETURN(engine_, load_engine(flags_.engine, console_));
  prompts_ = choose_prompts(engine_->info(), flags_.engine);
  WDE_RETURN_IF_ERROR(load_routes());
  if (flags_.rerank.empty()) return {};
  EngineOptions options;
  options.model = flags_.rerank;
  options.task = Task::kRerank;
  options.threads = flags_.engine.threads;
  options.dtype = flags_.engine.dtype;
  options.device = flags_.engine.device;
  options.isa = flags_.engine.isa;
  Result<std::unique_ptr<Engine>> reranker = load_engine(options, console_);
  if (!reranker.ok()) return reranker.status().with_context("--rerank");
  rerank_engine_ = std::move(reranker).value();
  return {};
}

Result<std::unique_ptr<Engine>> SearchSession::load_side(
    const std::optional<std::string>& route) const {
  EngineOptions options = flags_.engine;
  options.prompt_name = route;
  return load_engine(std::move(options), console_);
}

// An engine serves one route of a Router; sentence-transformers names those of queries and
// documents as it names their prompts.
Status SearchSession::load_routes() {
  const ModelInfo info = engine_->info();
  const auto has = [&info](const std::optional<std::string>& route) {
    return route && std::find(info.routes.begin(), info.routes.end(), *route) != info.routes.end();
  };
  if (has(prompts_.query) && info.route != *prompts_.query) {
    WDE_ASSIGN_OR_RETURN(query_engine_, load_side(prompts_.query));
  }
  if (has(prompts_.document) && info.route != *prompts_.document) {
    if (query_engine_ == nullptr) query_engine_ = std::move(engine_);
    WDE_ASSIGN_OR_RETURN(engine_, load_side(prompts_.document));
  }
  return {};
}

Request SearchSession::request(const std::optional<std::string>& prompt_name) const {
  Request request{.task = task_, .prompt_name = prompt_name};
  if (task_ == Task::kEmbed) request.dimensions = flags_.dimensions;
  return request;
}

Status SearchSession::check_dimensions() const {
  const int columns = engine_->info().embedding_size;
  if (!flags_.dimensions) return {};
  if (task_ != Task::kEmbed) return invalid_argument_error("--dimensions goes with embed only");
  if (*flags_.dimensions >= 1 && *flags_.dimensions <= columns) return {};
  return invalid_argument_error("--dimensions {}: the model's vectors have 1 to {}",
                                *flags_.dimensions, columns);
}

Result<IndexOptions> SearchSession::index_options() const {
  IndexOptions options{
      .storage = flags_.storage, .threads = flags_.engine.threads, .isa = flags_.engine.isa};
  const std::string& named = engine_->info().similarity;
  if (flags_.similarity) {
    options.similarity = *flags_.similarity;
  } else if (task_ == Task::kEmbed && !named.empty()) {
    WDE_ASSIGN_OR_RETURN(options.similarity, parse_similarity(named));
  }
  return options;
}

Result<CorpusVectors> SearchSession::corpus_vectors() {
  const Request fields = request(prompts_.document);
  const std::string origin = corpus_origin(engine_->info(), texts_, fields, flags_.engine);
  if (!flags_.index.empty() && file_exists(flags_.index)) {
    WDE_RETURN_IF_ERROR(check_origin(flags_.index, origin));
    return CorpusVectors::load(flags_.index, texts_.size(), columns_);
  }
  WDE_ASSIGN_OR_RETURN(CorpusVectors vectors,
                       CorpusVectors::compute(*engine_, texts_, fields, console_));
  if (!flags_.index.empty()) {
    WDE_RETURN_IF_ERROR(write_origin(flags_.index, origin));
    WDE_RETURN_IF_ERROR(write_npy(flags_.index, vectors.values(), columns_));
  }
  return vectors;
}

Status SearchSession::index_vectors(const IndexOptions& options) {
  columns_ = flags_.dimensions.value_or(engine_->info().embedding_size);
  WDE_ASSIGN_OR_RETURN(CorpusVectors vectors, corpus_vectors());
  Result<std::unique_ptr<SearchIndex>> index =
      make_vector_index(std::move(vectors), columns_, options);
  if (!index.ok()) {
    // Of the flags nothing can be wrong here, so the numbers are.
    return data_loss_error("{}: {}", flags_.index.empty() ? flags_.engine.model : flags_.index,
                           index.status().message());
  }
  index_ = std::move(index).value();
  return {};
}

Status SearchSession::index() {
  WDE_ASSIGN_OR_RETURN(task_, choose_search_task(engine_->info(), flags_.engine.task));
  WDE_RETURN_IF_ERROR(check_dimensions());
  WDE_ASSIGN_OR_RETURN(const IndexOptions options, index_options());
  if (task_ == Task::kEmbed) return index_vectors(options);
  if (!flags_.index.empty()) {
    return invalid_argument_error("--index keeps one vector a text; this model gives {}",
                                  task_name(task_));
  }
  if (flags_.similarity) {
    return invalid_argument_error("--similarity goes with embed only; this model gives {}",
                                  task_name(task_));
  }
  if (task_ == Task::kSparse && flags_.storage != VectorStorage::kF32) {
    return invalid_argument_error("--storage: sparse vectors are kept in f32");
  }
  WDE_ASSIGN_OR_RETURN(
      index_, make_computed_index(*engine_, texts_, request(prompts_.document), options, console_));
  return {};
}

Status SearchSession::answer(std::span<const std::string> queries, Output& output) {
  Searcher searcher(query_engine(), *index_, request(prompts_.query));
  const bool reranked = rerank_engine_ != nullptr;
  const int64_t found = reranked ? std::max(flags_.top_k, flags_.rerank_top) : flags_.top_k;
  WDE_ASSIGN_OR_RETURN(std::vector<std::vector<Hit>> hits, searcher.search(queries, found));
  const bool text = flags_.format == ReportFormat::kText ||
                    (flags_.format == ReportFormat::kAuto && output.is_terminal());
  const Emphasis emphasis = output.is_terminal() ? Emphasis::kTerminal : Emphasis::kNone;
  for (size_t i = 0; i < queries.size(); ++i) {
    if (reranked) {
      WDE_ASSIGN_OR_RETURN(
          hits[i], Reranker(*rerank_engine_, texts_).rerank(queries[i], hits[i], flags_.top_k));
    }
    WDE_RETURN_IF_ERROR(output.write(text ? hits_text(queries[i], hits[i], texts_, emphasis)
                                          : hits_json(queries[i], hits[i], texts_)));
  }
  return output.flush();
}

}  // namespace wde::cli
