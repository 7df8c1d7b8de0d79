// The embedding of a model that makes vectors in its own way (models::TextVector), used where a
// folder has no modules.json: sentence-transformers' mean for all that have none.
#pragma once

#include "workflow/workflow.h"

namespace wde::workflow {

// Fills the settings' embedding head. Errors: kNotFound (the checkpoint lacks the projection).
Status use_own_vector(Settings* settings);

}  // namespace wde::workflow
