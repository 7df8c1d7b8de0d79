// idf.json: {"token": weight, …}, the table of inference-free sparse retrieval's query side
// (Geng et al. 2024, arXiv:2411.04403), by token ids.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace wde::checkpoint {

// weights[id] for every id of `tokenizer_path`, a tokenizer.json whose vocabulary is a table from
// tokens to ids; 0 where `idf_path` has no weight. A token that the vocabulary lacks gives its
// weight to the unknown token, as transformers' convert_tokens_to_ids does. Errors: kNotFound,
// kIoError, kDataLoss, kUnsupported (another kind of vocabulary); each names the file.
Result<std::vector<float>> read_idf_table(const std::string& idf_path,
                                          const std::string& tokenizer_path);

}  // namespace wde::checkpoint
