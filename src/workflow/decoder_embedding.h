// The workflows of embedders that were made of a language model: causal ones, whose last token has
// seen the whole text, and those whose mask was taken away. Which a model is, its config.json says,
// or the user (workflow/decoder_mask.h).
#pragma once

#include "workflow/workflow.h"

namespace wde::workflow {

Manifest decoder_embedding();
Manifest bidirectional_embedding();

}  // namespace wde::workflow
