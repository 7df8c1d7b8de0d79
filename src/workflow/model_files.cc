#include "workflow/model_files.h"

#include "base/status.h"
#include "checkpoint/hub.h"

namespace wde::workflow {

Result<std::string> resolve_model_folder(const EngineOptions& options) {
  if (options.model.empty()) return invalid_argument_error("no model is named");
  checkpoint::HubOptions hub = checkpoint::hub_options_from_environment();
  if (!options.revision.empty()) hub.revision = options.revision;
  if (!options.hub_token.empty()) hub.token = options.hub_token;
  if (!options.hub_cache.empty()) hub.cache = options.hub_cache;
  if (options.download_progress) {
    hub.progress = [&](const checkpoint::DownloadProgress& progress) {
      options.download_progress(progress.file, progress.done_bytes, progress.total_bytes);
    };
  }
  return checkpoint::resolve_model(options.model, hub);
}

}  // namespace wde::workflow
