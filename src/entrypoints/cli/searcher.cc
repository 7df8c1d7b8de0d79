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

Result<std::vector<std::vector<Hit>>> Searcher::search(std::span<const std::string> queries) {
  std::vector<Request> requests;
  for (const std::string& query : queries) {
    requests.push_back(request_);
    requests.back().input = query;
  }
  std::vector<float> vectors;
  for (const Result<Response>& response : engine_.run_all(std::move(requests))) {
    if (!response.ok()) return response.status();
    vectors.insert(vectors.end(), response->values.begin(), response->values.end());
  }
  return index_.search(vectors, top_k_);
}

}  // namespace wde::cli
