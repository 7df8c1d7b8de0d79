#include "workflow/special_tokens.h"

#include "base/json.h"

namespace wde::workflow {
namespace {

// "[UNK]", or {"content": "[UNK]", …}.
std::optional<std::string> token_in(const std::string& path, std::string_view role) {
  const Result<json::value> parsed = json::parse_file(path);
  if (!parsed.ok() || !parsed->is_object()) return std::nullopt;
  const json::value* token = parsed->as_object().if_contains(role);
  if (token != nullptr && token->is_object()) token = token->as_object().if_contains("content");
  if (token == nullptr || !token->is_string()) return std::nullopt;
  return std::string(token->as_string());
}

}  // namespace

std::optional<int32_t> special_token_id(const std::string& folder, std::string_view role,
                                        const tokenizer::Tokenizer& tokenizer) {
  for (const char* file : {"/tokenizer_config.json", "/special_tokens_map.json"}) {
    if (const auto token = token_in(folder + file, role)) return tokenizer.token_to_id(*token);
  }
  return std::nullopt;
}

}  // namespace wde::workflow
