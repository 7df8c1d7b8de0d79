#include <fmt/ranges.h>

#include "base/status.h"
#include "workflow/encode_only.h"
#include "workflow/workflow.h"

namespace wde::workflow {

std::span<const Manifest> manifests() {
  static const Manifest kManifests[] = {
      encode_only(),
  };
  return kManifests;
}

Result<const Manifest*> choose_manifest(const checkpoint::ModelFolder& folder,
                                        std::string_view name) {
  std::vector<std::string> reasons;
  std::vector<std::string_view> known;
  for (const Manifest& manifest : manifests()) {
    known.push_back(manifest.name);
    if (!name.empty() && manifest.name != name) continue;
    const std::string refusal = manifest.refusal(folder);
    if (refusal.empty()) return &manifest;
    reasons.push_back(fmt::format("{}: {}", manifest.name, refusal));
  }
  if (reasons.empty()) {
    return invalid_argument_error("unknown workflow \"{}\"; there are: {}", name,
                                  fmt::join(known, ", "));
  }
  return unsupported_error("{}: no workflow serves this model ({})", folder.path,
                           fmt::join(reasons, "; "));
}

}  // namespace wde::workflow
