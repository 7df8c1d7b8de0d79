// The workflow of bidirectional encoders: BERT and its relatives, for embeddings and last hidden
// states.
#pragma once

#include "workflow/workflow.h"

namespace wde::workflow {

Manifest encode_only();

}  // namespace wde::workflow
