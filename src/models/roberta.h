// RoBERTa (Liu et al. 2019, arXiv:1907.11692), CamemBERT and XLM-RoBERTa (Conneau et al. 2020):
// BERT whose positions start behind the padding's row.
#pragma once

#include "models/bert.h"

namespace wde::models {

// Errors: as BertConfig::from_json.
Result<BertConfig> read_roberta_config(const json::object& config);

using RobertaModel = BertRelative<&read_roberta_config>;

}  // namespace wde::models
