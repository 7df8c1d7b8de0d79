// From a model's files and the user's options to Settings: every default and override of CLI.md's
// points 3, 6, 7.
#pragma once

#include "workflow/workflow.h"

namespace wde::workflow {

// Errors: kInvalidArgument (an option, by its flag's name), kUnsupported (a device, instruction
// set, module or config field that nothing here serves), kDataLoss (config fields that contradict
// each other).
Result<Settings> settle(checkpoint::ModelFolder folder, const EngineOptions& options,
                        std::shared_ptr<Device> device);

}  // namespace wde::workflow
