// From a model's files and the user's options to Settings: the defaults and overrides that every
// workflow has (CLI.md's points 3 and 6). What is a family's own is its manifest's `settle`.
#pragma once

#include "workflow/workflow.h"

namespace wde::workflow {

// Errors: kInvalidArgument (an option, by its flag's name), kUnsupported (a device, instruction
// set, module or config field that nothing here serves), kDataLoss (config fields that contradict
// each other).
Result<Settings> settle(checkpoint::ModelFolder folder, const EngineOptions& options,
                        std::shared_ptr<Device> device);

// For families whose answers are no pooled vectors. Errors: kInvalidArgument for --pooling and
// --normalize, which would be ignored.
Status refuse_vector_options(const EngineOptions& options, std::string_view workflow);

}  // namespace wde::workflow
