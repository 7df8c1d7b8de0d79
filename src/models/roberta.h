// RoBERTa (Liu et al. 2019, arXiv:1907.11692), CamemBERT and XLM-RoBERTa (Conneau et al. 2020):
// BERT whose positions start behind the padding's row.
#pragma once

#include "models/bert.h"

namespace wde::models {

// Errors: as BertConfig::from_json.
Result<BertConfig> read_roberta_config(const json::object& config);

using RobertaModel = BertRelative<&read_roberta_config>;

// XLM-RoBERTa by transformers' names, or by those of the hub's xlm-roberta-flash-implementation
// (jina-reranker-v2), which are FlashAttention's for BERT: the tensors tell.
struct XlmRobertaEncoder {
  // Errors: those of RobertaModel.
  static Result<ModelTraits> traits(const json::object& config) {
    return RobertaModel::traits(config);
  }
  static Result<std::unique_ptr<Model>> load(const json::object& config,
                                             const checkpoint::WeightSource& source,
                                             layers::LoadContext& context);
};

}  // namespace wde::models
