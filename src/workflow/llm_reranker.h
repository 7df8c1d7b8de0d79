// The workflow of language models that rerank: a pair becomes a question by a template, and the
// score is the logit of "yes", or how far it is above that of "no", at the last token.
#pragma once

#include "workflow/workflow.h"

namespace wde::workflow {

Manifest llm_reranker();

}  // namespace wde::workflow
