// Whether a decoder's tokens see those behind them: by the fields of its config.json
// (models/decoder_mask.h), by its architecture, or as the user says.
#pragma once

#include <optional>

#include "checkpoint/model_folder.h"
#include "wde/types.h"
#include "workflow/workflow.h"

namespace wde::workflow {

// False also where the architecture is unknown.
bool is_decoder(const checkpoint::ModelFolder& folder);

// The mask of a folder's decoder; nothing for other architectures. Errors: kDataLoss (the field).
Result<std::optional<attention::MaskKind>> find_decoder_mask(const checkpoint::ModelFolder& folder);

// Lets --enable-bidirectional win over the folder's config.json, and says so in the log. Errors:
// kInvalidArgument (naming the flag and the architecture) where the architecture has one mask only;
// kDataLoss as above.
Status apply_enable_bidirectional(const EngineOptions& options, checkpoint::ModelFolder* folder);

// "causal", "bidirectional".
std::string_view mask_name(attention::MaskKind mask);

}  // namespace wde::workflow
