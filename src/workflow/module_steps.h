// From modules.json to the steps of a head.
#pragma once

#include <span>
#include <vector>

#include "checkpoint/model_folder.h"
#include "heads/step_chain.h"

namespace wde::workflow {

// What the modules of a model work on: "sentence_embedding", or "token_embeddings".
enum class Features { kPooled, kTokens };

// In their order. A MultiVectorMask and a Normalize of pooled vectors change nothing about those of
// tokens and are left out there. Errors: kUnsupported, for a module that has no meaning for these
// features, by name.
Result<std::vector<heads::Step>> read_steps(std::span<const checkpoint::Module> modules,
                                            Features features);

}  // namespace wde::workflow
