#include "workflow/model_files.h"

#include "base/file.h"
#include "base/status.h"
#include "checkpoint/hub.h"

namespace wde::workflow {

namespace {

// `model` as the options' own is resolved; `revision` only where it is theirs.
Result<std::string> resolve(const std::string& model, const std::string& revision,
                            const EngineOptions& options) {
  checkpoint::HubOptions hub = checkpoint::hub_options_from_environment();
  if (!revision.empty()) hub.revision = revision;
  if (!options.hub_token.empty()) hub.token = options.hub_token;
  if (!options.hub_cache.empty()) hub.cache = options.hub_cache;
  if (options.download_progress) {
    hub.progress = [&](const checkpoint::DownloadProgress& progress) {
      options.download_progress(progress.file, progress.done_bytes, progress.total_bytes);
    };
  }
  return checkpoint::resolve_model(model, hub);
}

}  // namespace

Result<std::string> resolve_model_folder(const EngineOptions& options) {
  if (options.model.empty()) return invalid_argument_error("no model is named");
  if (!options.revision.empty() &&
      (directory_exists(options.model) || file_exists(options.model))) {
    return invalid_argument_error("--revision {}: goes with hub ids, and {} is a file or folder",
                                  options.revision, options.model);
  }
  return resolve(options.model, options.revision, options);
}

Result<checkpoint::ModelFolder> read_model(const EngineOptions& options, WithWeights weights) {
  WDE_ASSIGN_OR_RETURN(const std::string path, resolve_model_folder(options));
  checkpoint::ReadOptions read{.weights = weights == WithWeights::kYes,
                               .route = options.prompt_name.value_or(""),
                               .lora = {},
                               .find_base = {}};
  for (const std::string& adapter : options.lora) {
    Result<std::string> folder = resolve(adapter, "", options);
    if (!folder.ok()) return folder.status().with_context("--lora");
    read.lora.push_back(std::move(folder).value());
  }
  read.find_base = [&](const std::string& model, const std::string& revision) {
    return resolve(model, revision, options);
  };
  return checkpoint::read_model_folder(path, read);
}

}  // namespace wde::workflow
