#include "entrypoints/http/bodies.h"

#include "base/json.h"
#include "base/status.h"
#include "entrypoints/http/body_fields.h"

namespace wde::http {
namespace {

Result<EncodingFormat> parse_encoding_format(const json::object& from) {
  WDE_ASSIGN_OR_RETURN(const std::string format,
                       field(json::get_string(from, "encoding_format", "float")));
  if (format == "float") return EncodingFormat::kFloat;
  if (format == "base64") return EncodingFormat::kBase64;
  return invalid_argument_error("\"encoding_format\" must be \"float\" or \"base64\", not \"{}\"",
                                format);
}

}  // namespace

Result<EmbedBody> parse_embed_request(std::string_view text) {
  WDE_ASSIGN_OR_RETURN(const json::object from, parse_object(text));
  EmbedBody body;
  WDE_ASSIGN_OR_RETURN(body.inputs, parse_inputs(from, "inputs"));
  WDE_ASSIGN_OR_RETURN(body.options, parse_text_options(from));
  WDE_ASSIGN_OR_RETURN(body.normalize, field(json::get_bool(from, "normalize", true)));
  WDE_ASSIGN_OR_RETURN(body.dimensions, parse_dimensions(from));
  return body;
}

Result<EmbedBody> parse_embed_all_request(std::string_view text) {
  WDE_ASSIGN_OR_RETURN(const json::object from, parse_object(text));
  EmbedBody body;
  WDE_ASSIGN_OR_RETURN(body.inputs, parse_inputs(from, "inputs"));
  WDE_ASSIGN_OR_RETURN(body.options, parse_text_options(from));
  return body;
}

Result<OpenAiEmbeddingsBody> parse_openai_embeddings_request(std::string_view text) {
  WDE_ASSIGN_OR_RETURN(const json::object from, parse_object(text));
  OpenAiEmbeddingsBody body;
  WDE_ASSIGN_OR_RETURN(body.input, parse_inputs(from, "input"));
  WDE_ASSIGN_OR_RETURN(body.encoding_format, parse_encoding_format(from));
  WDE_ASSIGN_OR_RETURN(body.dimensions, parse_dimensions(from));
  return body;
}

Result<TokenizeBody> parse_tokenize_request(std::string_view text) {
  WDE_ASSIGN_OR_RETURN(const json::object from, parse_object(text));
  TokenizeBody body;
  WDE_ASSIGN_OR_RETURN(InputList inputs, parse_inputs(from, "inputs"));
  for (Input& input : inputs.items) {
    std::string* item = std::get_if<std::string>(&input);
    if (item == nullptr)
      return invalid_argument_error("\"inputs\" must be a string or an array of strings");
    body.texts.push_back(std::move(*item));
  }
  WDE_ASSIGN_OR_RETURN(body.add_special_tokens,
                       field(json::get_bool(from, "add_special_tokens", true)));
  WDE_ASSIGN_OR_RETURN(body.prompt_name, parse_optional_string(from, "prompt_name"));
  return body;
}

Result<DecodeBody> parse_decode_request(std::string_view text) {
  WDE_ASSIGN_OR_RETURN(const json::object from, parse_object(text));
  DecodeBody body;
  WDE_ASSIGN_OR_RETURN(InputList inputs, parse_inputs(from, "ids"));
  for (Input& input : inputs.items) {
    auto* ids = std::get_if<std::vector<int32_t>>(&input);
    if (ids == nullptr) {
      return invalid_argument_error(
          "\"ids\" must be a list of token ids or an array of such lists");
    }
    body.ids.push_back(std::move(*ids));
  }
  WDE_ASSIGN_OR_RETURN(body.skip_special_tokens,
                       field(json::get_bool(from, "skip_special_tokens", true)));
  return body;
}

}  // namespace wde::http
