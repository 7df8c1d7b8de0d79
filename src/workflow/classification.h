// The workflows of classifiers: cross-encoders and rerankers (one label), classifiers of texts and
// pairs, classifiers of tokens. Chosen by the checkpoint's architecture and its labels.
#pragma once

#include "workflow/workflow.h"

namespace wde::workflow {

Manifest cross_encoder();
Manifest sequence_classification();
Manifest token_classification();
Manifest process_reward();

}  // namespace wde::workflow
