// Which of a text's tokens a decoder's token sees: those before it as it was trained to generate,
// or all of them, as embedders are often trained further (BehnamGhader et al. 2024,
// arXiv:2404.05961).
#pragma once

#include "attention/attention.h"
#include "base/json.h"
#include "base/status.h"

namespace wde::models {

// By the fields of config.json, in the order in which they count: "is_causal" (of transformers),
// "use_bidirectional_attention" (of EmbeddingGemma); else `otherwise`. Errors: kDataLoss (no
// boolean).
Result<attention::MaskKind> read_mask(const json::object& config, attention::MaskKind otherwise);

// The field that decides, for messages; empty where none does.
std::string_view mask_field(const json::object& config);

// Sets the field that counts first.
void set_mask(attention::MaskKind mask, json::object* config);

}  // namespace wde::models
