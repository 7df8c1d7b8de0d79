// The workflow of learned sparse retrieval by a masked language model (SPLADE): a weight for each
// entry of the vocabulary.
#pragma once

#include "workflow/workflow.h"

namespace wde::workflow {

Manifest sparse_embedding();

}  // namespace wde::workflow
