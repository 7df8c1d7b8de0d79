#include "entrypoints/cli/token_lines.h"

#include "base/json.h"
#include "base/status.h"
#include "base/utf8.h"

namespace wde::cli {

std::string token_ids_line(std::span<const int32_t> ids) {
  std::string line = "[";
  for (const int32_t id : ids) {
    if (line.size() > 1) line += ',';
    line += std::to_string(id);
  }
  return line += "]\n";
}

std::string token_details_line(std::span<const Token> tokens) {
  std::string line = "[";
  for (const Token& token : tokens) {
    if (line.size() > 1) line += ',';
    line += fmt::format("{{\"id\":{},\"text\":", token.id);
    // A byte-level token may be half a character.
    json::append_string(line, replace_invalid_utf8(token.text));
    line += token.special ? ",\"special\":true,\"start\":null,\"end\":null}"
                          : fmt::format(",\"special\":false,\"start\":{},\"end\":{}}}", token.begin,
                                        token.end);
  }
  return line += "]\n";
}

}  // namespace wde::cli
