// What `wde search` answers a query with: a JSON line, or lines for a person.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wde/retrieval.h"

namespace wde::cli {

// {"query":"…","hits":[{"index":0,"score":0.5,"text":"…"},…]} and a line end.
std::string hits_json(std::string_view query, std::span<const Hit> hits,
                      std::span<const std::string> texts);

// The query, bold on a terminal, then a line a hit with its text shortened.
enum class Emphasis { kNone, kTerminal };
std::string hits_text(std::string_view query, std::span<const Hit> hits,
                      std::span<const std::string> texts, Emphasis emphasis);

}  // namespace wde::cli
