#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/status.h"
#include "workflow/architecture.h"
#include "workflow/classification.h"
#include "workflow/decoder_embedding.h"
#include "workflow/embedding.h"
#include "workflow/hybrid.h"
#include "workflow/llm_reranker.h"
#include "workflow/multi_vector.h"
#include "workflow/sparse_embedding.h"
#include "workflow/static_embedding.h"
#include "workflow/workflow.h"

namespace wde::workflow {

namespace {

Status check_workflow_known(std::string_view name) {
  std::vector<std::string_view> known;
  for (const Manifest& manifest : manifests()) known.push_back(manifest.name);
  if (name.empty() || std::find(known.begin(), known.end(), name) != known.end()) return {};
  return invalid_argument_error("unknown workflow \"{}\"; there are: {}", name,
                                fmt::join(known, ", "));
}

}  // namespace

std::span<const Manifest> manifests() {
  static const Manifest kManifests[] = {
      hybrid(),
      multi_vector(),
      cross_encoder(),
      sequence_classification(),
      token_classification(),
      process_reward(),
      decoder_embedding(),
      bidirectional_embedding(),
      llm_reranker(),
      embedding(),
      sparse_embedding(),
      static_embedding(),
      static_sparse(),
  };
  return kManifests;
}

Result<const Manifest*> choose_manifest(const checkpoint::ModelFolder& folder,
                                        const EngineOptions& options) {
  WDE_RETURN_IF_ERROR(check_workflow_known(options.workflow));
  // Else every workflow would say it.
  const Result<Architecture> architecture = find_architecture(folder);
  if (!architecture.ok()) return architecture.status().with_context(folder.path);
  std::vector<std::string> reasons;
  std::set<Task> served;  // by the workflows that do not refuse the folder
  for (const Manifest& manifest : manifests()) {
    if (!options.workflow.empty() && manifest.name != options.workflow) continue;
    const std::string refusal = manifest.refusal(folder);
    if (!refusal.empty()) {
      reasons.push_back(fmt::format("{}: {}", manifest.name, refusal));
      continue;
    }
    const auto& tasks = manifest.tasks;
    if (!options.task || std::find(tasks.begin(), tasks.end(), *options.task) != tasks.end()) {
      return &manifest;
    }
    served.insert(tasks.begin(), tasks.end());
  }
  if (!served.empty()) {
    std::vector<std::string_view> names;
    for (const Task task : served) names.push_back(task_name(task));
    return invalid_argument_error("{} does not serve the task \"{}\"; it serves: {}", folder.path,
                                  task_name(*options.task), fmt::join(names, ", "));
  }
  if (!options.workflow.empty()) {
    return invalid_argument_error("{}: --workflow {}", folder.path, reasons.front());
  }
  return unsupported_error("{}: no workflow serves this model ({})", folder.path,
                           fmt::join(reasons, "; "));
}

}  // namespace wde::workflow
