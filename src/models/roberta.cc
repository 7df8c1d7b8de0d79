#include "models/roberta.h"

#include "base/status.h"
#include "models/config_fields.h"

namespace wde::models {

Result<BertConfig> read_roberta_config(const json::object& config) {
  WDE_ASSIGN_OR_RETURN(BertConfig roberta, BertConfig::from_json(config));
  roberta.names.prefix = "roberta.";
  // fairseq's make_positions: row pad_token_id of the position table is the padding's, the first
  // token has the row after it.
  WDE_ASSIGN_OR_RETURN(
      roberta.padding_id,
      get_int_in(config, "pad_token_id", 1, {.least = 0, .most = roberta.vocab_size - 1}));
  roberta.position_offset = roberta.padding_id + 1;
  if (roberta.position_offset >= roberta.max_positions) {
    return data_loss_error("max_position_embeddings {} leaves no position behind pad_token_id {}",
                           roberta.max_positions, roberta.padding_id);
  }
  return roberta;
}

}  // namespace wde::models
