// The workflow of bge-m3 (Chen et al. 2024, arXiv:2402.03216): a dense vector, token weights and a
// multi-vector, each for itself or all from one pass. Recognised by the files of its two linear
// layers.
#pragma once

#include "workflow/workflow.h"

namespace wde::workflow {

Manifest hybrid();

}  // namespace wde::workflow
