#include "entrypoints/cli/search_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/utf8.h"

namespace wde::cli {
namespace {

constexpr size_t kShownCodePoints = 100;

// The first line of a valid text, cut after so many code points.
std::string shortened(std::string_view text) {
  const size_t line_end = text.find_first_of("\r\n");
  std::string_view line = text.substr(0, line_end);
  if (line_end == std::string_view::npos && count_code_points(line) <= kShownCodePoints) {
    return std::string(line);
  }
  size_t at = 0;
  for (size_t shown = 0; at < line.size() && shown + 1 < kShownCodePoints; ++shown) {
    ++at;
    while (at < line.size() && (static_cast<unsigned char>(line[at]) & 0xc0) == 0x80) ++at;
  }
  return std::string(line.substr(0, at)) + "…";
}

// Control characters would move the terminal's cursor.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f; }, ' ');
  return text;
}

}  // namespace

std::string hits_json(std::string_view query, std::span<const Hit> hits,
                      std::span<const std::string> texts) {
  std::string line = "{\"query\":";
  json::append_string(line, query);
  line += ",\"hits\":[";
  const char* separator = "";
  for (const Hit& hit : hits) {
    line += fmt::format("{}{{\"index\":{},\"score\":", separator, hit.index);
    json::append_number(line, hit.score);
    line += ",\"text\":";
    json::append_string(line, texts[static_cast<size_t>(hit.index)]);
    line += '}';
    separator = ",";
  }
  return line += "]}\n";
}

std::string hits_text(std::string_view query, std::span<const Hit> hits,
                      std::span<const std::string> texts, Emphasis emphasis) {
  const bool bold = emphasis == Emphasis::kTerminal;
  std::string lines = fmt::format("\n{}{}{}\n", bold ? "\033[1m" : "",
                                  printable(std::string(query)), bold ? "\033[0m" : "");
  for (const Hit& hit : hits) {
    lines += fmt::format("  {:6.3f}  {}\n", hit.score,
                         printable(shortened(texts[static_cast<size_t>(hit.index)])));
  }
  return lines;
}

}  // namespace wde::cli
