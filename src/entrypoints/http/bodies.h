// Request bodies, from hostile bytes to checked values. Stateless and thread-safe; knows nothing of
// HTTP.
//
// Every function: fields that it does not know are ignored, as TEI does; null stands for absent.
// Errors: kDataLoss (not JSON: says line and column), kInvalidArgument (a field: the message begins
// with its name in quotes), kEmptyInput (an empty list of inputs).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wde/types.h"

namespace wde::http {

// A string, a list of token ids, or an array of either.
struct InputList {
  std::vector<Input> items;  // at least one
  bool batch = false;        // it was written as an array of inputs
};

// What most bodies say of their texts.
struct TextOptions {
  std::optional<OverLong> over_long;  // "truncate": a boolean or "average"
  TruncationSide truncation_side = TruncationSide::kRight;
  std::optional<std::string> prompt_name;
  std::optional<std::string> adapter;
};

// POST /embed; /embed_all and /embed_sparse, which leave out the last two.
struct EmbedBody {
  InputList inputs;
  TextOptions options;
  bool normalize = true;
  std::optional<int> dimensions;
};
Result<EmbedBody> parse_embed_request(std::string_view body);
Result<EmbedBody> parse_embed_all_request(std::string_view body);

// POST /embed_hybrid.
struct HybridBody {
  InputList inputs;
  TextOptions options;
  bool normalize = true;
  // "return": which answers are wanted; all false where the body does not say.
  bool dense = false, sparse = false, token_vectors = false;
};
Result<HybridBody> parse_hybrid_request(std::string_view body);

// POST /rerank, TEI's form.
struct RerankBody {
  std::string query;
  std::vector<std::string> texts;  // at least one
  TextOptions options;
  bool raw_scores = false;
  bool return_text = false;
};
Result<RerankBody> parse_rerank_request(std::string_view body);

// POST /predict: "a" is a text, ["a","b"] a pair, [["a"],["a","b"]] a batch of both.
struct PredictBody {
  InputList inputs;  // texts and pairs
  TextOptions options;
  bool raw_scores = false;
};
Result<PredictBody> parse_predict_request(std::string_view body);

// POST /predict_tokens: a string or an array of strings.
struct PredictTokensBody {
  InputList inputs;  // texts
  TextOptions options;
  std::optional<Aggregation> aggregation;
};
Result<PredictTokensBody> parse_predict_tokens_request(std::string_view body);

// POST /similarity: {"inputs": {"source_sentence", "sentences"}, "parameters": {…}|null}.
struct SimilarityBody {
  std::string source;
  std::vector<std::string> sentences;  // at least one
  TextOptions options;
};
Result<SimilarityBody> parse_similarity_request(std::string_view body);

enum class EncodingFormat { kFloat, kBase64 };

// POST /v1/embeddings.
struct OpenAiEmbeddingsBody {
  InputList input;
  EncodingFormat encoding_format = EncodingFormat::kFloat;
  std::optional<int> dimensions;
};
Result<OpenAiEmbeddingsBody> parse_openai_embeddings_request(std::string_view body);

// POST /tokenize.
struct TokenizeBody {
  std::vector<std::string> texts;  // at least one
  bool add_special_tokens = true;
  std::optional<std::string> prompt_name;
};
Result<TokenizeBody> parse_tokenize_request(std::string_view body);

// POST /decode.
struct DecodeBody {
  std::vector<std::vector<int32_t>> ids;  // at least one list
  bool skip_special_tokens = true;
};
Result<DecodeBody> parse_decode_request(std::string_view body);

}  // namespace wde::http
