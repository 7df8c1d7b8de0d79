// The workflow of late interaction (ColBERT; Khattab & Zaharia 2020, arXiv:2004.12832): a vector
// for every token, as Stanford's, PyLate's and sentence-transformers' files describe it.
#pragma once

#include "workflow/workflow.h"

namespace wde::workflow {

Manifest multi_vector();

}  // namespace wde::workflow
