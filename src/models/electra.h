// ELECTRA (Clark et al. 2020, arXiv:2003.10555): BERT whose embeddings may be smaller than the
// model, and are projected.
#pragma once

#include "models/bert.h"

namespace wde::models {

// Errors: as BertConfig::from_json.
Result<BertConfig> read_electra_config(const json::object& config);

using ElectraModel = BertRelative<&read_electra_config>;

}  // namespace wde::models
