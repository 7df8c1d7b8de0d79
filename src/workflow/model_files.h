// From the model that a user names to the folder it is read from. Blocking (it may download);
// start-up thread.
#pragma once

#include <string>

#include "wde/types.h"

namespace wde::workflow {

// Errors: those of checkpoint::resolve_model; kInvalidArgument when no model is named.
Result<std::string> resolve_model_folder(const EngineOptions& options);

}  // namespace wde::workflow
