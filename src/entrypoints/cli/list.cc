// wde list: what every registry holds, and why a thing can't be used on this machine.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "entrypoints/cli/command.h"
#include "wde/catalog.h"

namespace wde::cli {
namespace {

std::string catalog_text(const std::vector<CatalogSection>& sections) {
  std::string text;
  for (const CatalogSection& section : sections) {
    text += fmt::format("{}{}\n", text.empty() ? "" : "\n", section.title);
    size_t width = 0;
    for (const CatalogEntry& entry : section.entries) width = std::max(width, entry.name.size());
    for (const CatalogEntry& entry : section.entries) {
      std::string line = fmt::format("  {:<{}}  {}", entry.name, width, entry.description);
      if (!entry.refusal.empty())
        line +=
            fmt::format("{}[not here: {}]", entry.description.empty() ? "" : "  ", entry.refusal);
      line.erase(line.find_last_not_of(' ') + 1);
      text += line + "\n";
    }
  }
  return text;
}

std::string catalog_json(const std::vector<CatalogSection>& sections) {
  json::object all;
  for (const CatalogSection& section : sections) {
    json::array entries;
    for (const CatalogEntry& entry : section.entries) {
      entries.push_back(json::object{{"name", entry.name},
                                     {"description", entry.description},
                                     {"usable", entry.refusal.empty()},
                                     {"refusal", entry.refusal}});
    }
    all[section.title] = std::move(entries);
  }
  return boost::json::serialize(all) + "\n";
}

}  // namespace

Run define_list(CLI::App& app) {
  auto as_json = std::make_shared<bool>(false);
  app.footer(
      "Examples:\n  wde list\n  wde list --json\n"
      "In each section the first that fits is chosen; flags such as --attention-backend force "
      "one.");
  app.add_flag("--json", *as_json, "one JSON object instead of text");
  return [as_json](Context& context) {
    return print(context.console, *as_json ? catalog_json(catalog()) : catalog_text(catalog()));
  };
}

}  // namespace wde::cli
