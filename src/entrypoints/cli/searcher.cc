#include <algorithm>
#include <utility>

#include "entrypoints/cli/searcher.h"

namespace wde::cli {

SearchPrompts choose_prompts(const ModelInfo& info, const EngineOptions& options) {
  if (options.prompt || options.prompt_name) return {};
  const auto names = [&info](const char* name) {
    return std::find(info.prompt_names.begin(), info.prompt_names.end(), name) !=
           info.prompt_names.end();
  };
  SearchPrompts prompts{.query = "query", .document = "document"};
  for (const char* candidate : {"document", "passage", "corpus"}) {
    if (!names(candidate)) continue;
    prompts.document = candidate;
    break;
  }
  return prompts;
}

Result<Task> choose_search_task(const ModelInfo& info, std::optional<Task> wanted) {
  const auto serves = [&info](Task task) {
    return std::find(info.tasks.begin(), info.tasks.end(), task) != info.tasks.end();
  };
  for (const Task task : {Task::kEmbed, Task::kMultiVector, Task::kSparse}) {
    if ((!wanted || *wanted == task) && serves(task)) return task;
  }
  return invalid_argument_error(
      "{} gives nothing to search by{}: embed, multivector or sparse is needed", info.model,
      wanted ? fmt::format(" with --task {}", task_name(*wanted)) : "");
}

Result<std::vector<Hit>> Reranker::rerank(const std::string& query, std::span<const Hit> hits,
                                          int64_t top_k) const {
  std::vector<Request> requests;
  for (const Hit& hit : hits) {
    requests.push_back(
        {.task = Task::kRerank, .input = TextPair{query, texts_[static_cast<size_t>(hit.index)]}});
  }
  std::vector<Hit> scored;
  const std::vector<Result<Response>> responses = engine_.run_all(std::move(requests));
  for (size_t i = 0; i < hits.size(); ++i) {
    if (!responses[i].ok()) return responses[i].status();
    scored.push_back({hits[i].index, responses[i]->values.front()});
  }
  // Equal scores keep the first search's order.
  std::stable_sort(scored.begin(), scored.end(),
                   [](const Hit& left, const Hit& right) { return left.score > right.score; });
  scored.resize(std::min(scored.size(), static_cast<size_t>(top_k)));
  return scored;
}

Result<std::vector<std::vector<Hit>>> Searcher::search(std::span<const std::string> queries,
                                                       int64_t top_k) {
  std::vector<Request> requests;
  for (const std::string& query : queries) {
    requests.push_back(request_);
    requests.back().input = query;
  }
  std::vector<Response> answers;
  for (Result<Response>& response : engine_.run_all(std::move(requests))) {
    if (!response.ok()) return response.status();
    answers.push_back(std::move(response).value());
  }
  return index_.search(answers, top_k);
}

}  // namespace wde::cli
