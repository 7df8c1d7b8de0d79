// sentence-transformers' modules without a transformer: StaticEmbedding (a vector for each token,
// of which a text's is the mean; model2vec's files too) and SparseStaticEmbedding (a weight for
// each token: the query side of inference-free sparse retrieval). Told in a transformer's terms:
//   config    {"architectures": ["StaticEmbedding"], "vocab_size": V + 1, "hidden_size": C}
//   weights   "embedding.weight" [V + 1, C]; the last row is zero: what a text without tokens gets
//   modules   a mean Pooling first (StaticEmbedding)
#pragma once

#include "base/status.h"
#include "checkpoint/model_folder.h"

namespace wde::checkpoint {

inline constexpr const char* kStaticArchitecture = "StaticEmbedding";

// Fills config, architectures, modules and (where `options` asks for it) weights of a folder whose
// input module is static. The table is copied to f32: model2vec's "mapping" (a token's row) and
// "weights" (a token's factor) are folded into it; a SparseStaticEmbedding's may be a JSON file
// (checkpoint/idf_table.h). Errors: those of open_weights; kDataLoss
// (shapes, dtypes, rows out of range); each names the folder.
Status read_static_table(const ReadOptions& options, ModelFolder* folder);

}  // namespace wde::checkpoint
