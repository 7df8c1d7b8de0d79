// MPNet (Song et al. 2020, arXiv:2004.09297): BERT without token types, whose positions start
// behind the padding's row, with T5's relative position buckets in every layer.
#pragma once

#include "models/bert.h"

namespace wde::models {

// Errors: as BertConfig::from_json.
Result<BertConfig> read_mpnet_config(const json::object& config);

using MPNetModel = BertRelative<&read_mpnet_config>;

}  // namespace wde::models
