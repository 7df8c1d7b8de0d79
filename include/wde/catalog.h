// Everything a registry of WDE holds, for `wde list`: what there is, and why a thing can't be used
// here.
#pragma once

#include <string>
#include <vector>

namespace wde {

struct CatalogEntry {
  std::string name;
  std::string description;  // may be empty
  std::string refusal;      // empty when it can be used on this machine, else the reason why not
};

struct CatalogSection {
  std::string
      title;  // "workflows", "architectures", "attention backends", "executors", "devices", …
  std::vector<CatalogEntry> entries;  // in the registry's order: best first
};

std::vector<CatalogSection> catalog();

// "0.1.0"
std::string version();

}  // namespace wde
