// sentence-transformers' Router (Asym before release 5): several lists of modules in one folder, of
// which a text goes through one, by its task ("query", "document").
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace wde::checkpoint {

// A module's class and where its files lie.
struct ModuleEntry {
  std::string type;  // "sentence_transformers.models.Pooling"
  std::string path;  // relative; "" is the folder itself
};

struct Route {
  std::string name;
  std::vector<std::string> names;    // of all routes, in the file's order
  std::vector<ModuleEntry> modules;  // of this one; paths relative to the Router's folder
};

// Reads `folder`/router_config.json, or config.json as Asym wrote it. `task` chooses the route as
// sentence-transformers does for a text: "route_mappings" first, then the route of the task's name,
// then the default; a task that leads nowhere counts as none. Errors: kNotFound (no config),
// kDataLoss, kUnsupported (no default route: the message names the routes); each names the file.
Result<Route> read_router(const std::string& folder, const std::string& task);

}  // namespace wde::checkpoint
