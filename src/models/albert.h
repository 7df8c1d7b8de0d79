// ALBERT (Lan et al. 2020, arXiv:1909.11942): BERT with factorized embeddings, whose layers share
// the weights of a few groups (mostly one).
#pragma once

#include "models/bert.h"

namespace wde::models {

// Errors: as BertConfig::from_json.
Result<BertConfig> read_albert_config(const json::object& config);

using AlbertModel = BertRelative<&read_albert_config>;

}  // namespace wde::models
