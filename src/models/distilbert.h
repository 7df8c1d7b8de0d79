// DistilBERT (Sanh et al. 2019, arXiv:1910.01108): BERT of fewer layers, without token types, with
// names of its own in config.json and checkpoint.
#pragma once

#include "models/bert.h"

namespace wde::models {

// Errors: kDataLoss, kUnsupported; each names the field.
Result<BertConfig> read_distilbert_config(const json::object& config);

using DistilBertModel = BertRelative<&read_distilbert_config>;

}  // namespace wde::models
