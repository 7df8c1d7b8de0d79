#include "models/electra.h"

#include "base/status.h"
#include "models/config_fields.h"

namespace wde::models {

Result<BertConfig> read_electra_config(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(BertConfig electra, BertConfig::from_json(config));
  electra.names.prefix = "electra.";
  WDE_ASSIGN_OR_RETURN(electra.embedding_size, get_size(config, "embedding_size", 128));
  if (electra.embedding_size != electra.hidden_size)
    electra.names.projection = "embeddings_project";
  return electra;
}

}  // namespace wde::models
