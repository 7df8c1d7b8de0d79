// The workflows of embedders: a vector for each text. Any encoder is one, with mean pooling where
// its files say nothing. Decoders have workflows of their own (workflow/decoder_embedding.h).
#pragma once

#include "workflow/workflow.h"

namespace wde::workflow {

Manifest embedding();

// Its parts, for families that embed beside something else.
// Empty where the folder's transformer can embed, else why not.
std::string embedding_refusal(const checkpoint::ModelFolder& folder);
// The head's spec, kEmbed and kHidden as the tasks, and whether vectors are normalized. Errors:
// kInvalidArgument (--pooling), kUnsupported, kDataLoss (module files).
Status settle_embedding(const EngineOptions& options, Settings* settings);
// Errors: those of heads::EmbeddingHead::load.
Result<const heads::Head*> load_embedding_head(const Settings& settings,
                                               layers::LoadContext& context,
                                               execution::LoadedModel* loaded);

}  // namespace wde::workflow
