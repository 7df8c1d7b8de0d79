// From the model that a user names to the folder it is read from. Blocking (it may download);
// start-up thread.
#pragma once

#include <string>

#include "checkpoint/model_folder.h"
#include "wde/types.h"

namespace wde::workflow {

// Errors: those of checkpoint::resolve_model; kInvalidArgument when no model is named.
Result<std::string> resolve_model_folder(const EngineOptions& options);

enum class WithWeights { kNo, kYes };

// The model's folder read, with the adapters that the options name merged into its weights; what an
// adapter's folder calls its base model is resolved as the model is. Errors: those of
// resolve_model_folder and checkpoint::read_model_folder.
Result<checkpoint::ModelFolder> read_model(const EngineOptions& options, WithWeights weights);

}  // namespace wde::workflow
