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

// POST /embed, and /embed_all, which leaves out the last two.
struct EmbedBody {
  InputList inputs;
  std::optional<bool> truncate;
  TruncationSide truncation_side = TruncationSide::kRight;
  std::optional<std::string> prompt_name;
  std::optional<std::string> adapter;
  bool normalize = true;
  std::optional<int> dimensions;
};
Result<EmbedBody> parse_embed_request(std::string_view body);
Result<EmbedBody> parse_embed_all_request(std::string_view body);

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
