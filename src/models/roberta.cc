#include "models/roberta.h"

#include "base/status.h"
#include "models/config_fields.h"

namespace wde::models {
namespace {

constexpr BertNames kFlashNames = {.prefix = "roberta.",
                                   .embedding_norm = "emb_ln",
                                   .layer = "encoder.layers.",
                                   .packed = "mixer.Wqkv",
                                   .attention_output = "mixer.out_proj",
                                   .attention_norm = "norm1",
                                   .up = "mlp.fc1",
                                   .down = "mlp.fc2",
                                   .output_norm = "norm2"};

}  // namespace

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

Result<std::unique_ptr<Model>> XlmRobertaEncoder::load(const json::object& config,
                                                       const checkpoint::WeightSource& source,
                                                       layers::LoadContext& context) {
  WDE_ASSIGN_OR_RETURN(BertConfig roberta, read_roberta_config(config));
  if (source.has("emb_ln.weight") || source.has("roberta.emb_ln.weight")) {
    roberta.names = kFlashNames;
  }
  return BertEncoder::load(roberta, source, context);
}

}  // namespace wde::models
