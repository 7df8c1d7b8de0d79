// The workflows of tables without a transformer: a text is tokenized without special tokens and its
// tokens' rows are looked up. No attention, no matrix products; of a batch nothing but the means or
// the weights come back.
#pragma once

#include "workflow/workflow.h"

namespace wde::workflow {

// model2vec and sentence-transformers' StaticEmbedding: the mean of the rows.
Manifest static_embedding();

// sentence-transformers' SparseStaticEmbedding: the query side of inference-free sparse retrieval.
Manifest static_sparse();

}  // namespace wde::workflow
