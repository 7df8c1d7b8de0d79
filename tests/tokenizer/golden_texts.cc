#include "golden_texts.h"

#include <boost/json/array.hpp>

#include "base/file.h"
#include "base/json.h"

namespace wde::test {
namespace {

constexpr size_t kMaxBytes = size_t{64} << 20;

std::string string_of(const json::value& from) { return std::string(from.as_string()); }

// RFC 4180: fields may be quoted, a quote inside is doubled, and line breaks may stand inside
// quotes.
std::vector<std::vector<std::string>> parse_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows(1, {""});
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    std::string& field = rows.back().back();
    const char c = text[i];
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"')
      field += text[i++];
    else if (c == '"' && (quoted || field.empty()))
      quoted = !quoted;
    else if (quoted)
      field += c;
    else if (c == ',')
      rows.back().emplace_back();
    else if (c == '\n')
      rows.push_back({""});
    else if (c != '\r')
      field += c;
  }
  if (rows.back().size() == 1 && rows.back()[0].empty()) rows.pop_back();
  return rows;
}

}  // namespace

std::vector<TextCase> read_xquad(const std::string& path) {
  const json::value file = json::parse_file(path).value();
  std::vector<TextCase> texts;
  for (const json::value& article : file.at("data").as_array()) {
    for (const json::value& paragraph : article.at("paragraphs").as_array()) {
      texts.push_back({string_of(paragraph.at("context")), std::nullopt});
      for (const json::value& question : paragraph.at("qas").as_array()) {
        texts.push_back({string_of(question.at("question")), std::nullopt});
      }
    }
  }
  return texts;
}

std::vector<TextCase> read_stsb(const std::string& path) {
  std::vector<TextCase> texts;
  for (const auto& row : parse_csv(read_file(path, kMaxBytes).value()))
    texts.push_back({row[0], row[1]});
  return texts;
}

std::string from_hex(const std::string& digits) {
  std::string bytes;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

}  // namespace wde::test
