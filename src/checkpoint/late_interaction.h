// What a multi-vector model's files say of its queries and documents: markers, lengths, expansion,
// the tokens that are not compared. Read from artifact.metadata (Stanford's ColBERT), from
// config_sentence_transformers.json (PyLate), or from the Transformer's and the MultiVectorMask's
// own files (sentence-transformers' MultiVectorEncoder).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace wde::checkpoint {

// Queries are filled up with a token whose vectors count (Khattab & Zaharia 2020, section 3.2).
struct QueryExpansion {
  int64_t length = 32;    // tokens of a query, markers included
  bool cut = true;        // longer queries are cut to it
  bool attended = false;  // the other tokens see the added ones
  std::string token;      // empty: the tokenizer's mask token
};

struct LateInteraction {
  // Put before the text: as a token where the vocabulary has it, as text where not.
  std::string query_marker, document_marker;
  std::optional<int64_t> query_length, document_length;  // tokens, markers included
  std::optional<QueryExpansion> expansion;
  std::vector<std::string> skipped_words;  // tokens that have no vector in the answer …
  bool skip_in_documents = true;           // … of a document,
  bool skip_in_queries = false;            // … of a query
  bool normalized = false;                 // vectors have length 1, whatever the modules say of it
};

// Where a folder's multi-vector settings may lie, as far as they are there.
struct LateInteractionFiles {
  const json::object* config = nullptr;           // config.json
  const json::object* sentence_config = nullptr;  // sentence_bert_config.json
  const json::object* library_config = nullptr;   // config_sentence_transformers.json
  const json::object* mask_module = nullptr;      // the MultiVectorMask's config.json
  const json::object* artifact = nullptr;         // artifact.metadata
};

// Nothing where the folder is no multi-vector model: neither is its architecture "HF_ColBERT", nor
// its "model_type" "ColBERT" or "MultiVectorEncoder", nor has it a MultiVectorMask. Errors:
// kDataLoss (a field's type or range), kUnsupported (an expansion that is not known).
Result<std::optional<LateInteraction>> read_late_interaction(const LateInteractionFiles& files);

}  // namespace wde::checkpoint
