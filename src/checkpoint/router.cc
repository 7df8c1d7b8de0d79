#include "checkpoint/router.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/relative_path.h"

namespace wde::checkpoint {
namespace {

constexpr size_t kMaxConfigBytes = size_t{16} << 20;
constexpr const char* kModality = "text";

struct RouterConfig {
  json::object types;
  json::object structure;
  std::optional<std::string> default_route;
  json::object mappings;  // Python tuples as text, "('query', None)", to routes
};

std::vector<std::string> route_names(const RouterConfig& config) {
  std::vector<std::string> names;
  for (const auto& member : config.structure) names.emplace_back(member.key());
  return names;
}

Result<json::object> copy_object(const json::object& from, std::string_view key) {
  WDE_ASSIGN_OR_RETURN(const json::object* found, json::get_object(from, key));
  return found == nullptr ? json::object() : *found;
}

Result<RouterConfig> read_config(const json::object& root) {
  RouterConfig config;
  WDE_ASSIGN_OR_RETURN(config.types, copy_object(root, "types"));
  WDE_ASSIGN_OR_RETURN(config.structure, copy_object(root, "structure"));
  WDE_ASSIGN_OR_RETURN(const json::object parameters, copy_object(root, "parameters"));
  WDE_ASSIGN_OR_RETURN(config.mappings, copy_object(parameters, "route_mappings"));
  WDE_ASSIGN_OR_RETURN(const std::string named, json::get_string(parameters, "default_route", ""));
  WDE_ASSIGN_OR_RETURN(const bool allow_empty, json::get_bool(parameters, "allow_empty_key", true));
  if (config.structure.empty()) return data_loss_error("\"structure\" names no routes");
  if (!named.empty() && !config.structure.contains(named)) {
    return data_loss_error("\"default_route\": \"{}\" is not among the routes", named);
  }
  if (!named.empty()) config.default_route = named;
  if (named.empty() && allow_empty) config.default_route = config.structure.begin()->key();
  return config;
}

// What route_mappings says of a key of two, each a name or (empty) None.
Result<std::string> mapped(const RouterConfig& config, const std::string& task,
                           const std::string& modality) {
  const auto word = [](const std::string& name) {
    return name.empty() ? "None" : fmt::format("'{}'", name);
  };
  const std::string key = fmt::format("({}, {})", word(task), word(modality));
  WDE_ASSIGN_OR_RETURN(std::string route, json::get_string(config.mappings, key, ""));
  if (!route.empty() && !config.structure.contains(route)) {
    return data_loss_error("\"route_mappings\": \"{}\" is not among the routes", route);
  }
  return route;
}

// Empty where the task leads nowhere.
Result<std::string> find_route(const RouterConfig& config, const std::string& task) {
  for (const auto& [first, second] : {std::pair<std::string, std::string>{task, kModality},
                                      {task, ""},
                                      {"", kModality},
                                      {"", ""}}) {
    WDE_ASSIGN_OR_RETURN(std::string route, mapped(config, first, second));
    if (!route.empty()) return route;
  }
  for (const std::string& name : {task, std::string(kModality)}) {
    if (!name.empty() && config.structure.contains(name)) return name;
  }
  return std::string();
}

Result<std::string> choose_route(const RouterConfig& config, const std::string& task) {
  WDE_ASSIGN_OR_RETURN(std::string route, find_route(config, task));
  if (!route.empty()) return route;
  if (config.default_route) return *config.default_route;
  return unsupported_error("it has no default route; --prompt-name must be one of {}",
                           fmt::join(route_names(config), ", "));
}

Result<std::vector<ModuleEntry>> read_modules(const RouterConfig& config,
                                              const std::string& route) {
  WDE_ASSIGN_OR_RETURN(const json::array* ids, json::get_array(config.structure, route));
  if (ids == nullptr || ids->empty()) return data_loss_error("the route \"{}\" is empty", route);
  std::vector<ModuleEntry> modules;
  for (const json::value& id : *ids) {
    const auto* text = id.if_string();
    if (text == nullptr || !is_inside_path(*text)) {
      return data_loss_error("the route \"{}\" must hold names of folders", route);
    }
    ModuleEntry entry{.path = std::string(*text)};
    WDE_ASSIGN_OR_RETURN(entry.type, json::get_string(config.types, entry.path, ""));
    if (entry.type.empty()) return data_loss_error("\"types\" does not say what {} is", entry.path);
    modules.push_back(std::move(entry));
  }
  return modules;
}

Result<Route> read_route(const json::object& root, const std::string& task) {
  WDE_ASSIGN_OR_RETURN(const RouterConfig config, read_config(root));
  Route route;
  route.names = route_names(config);
  WDE_ASSIGN_OR_RETURN(route.name, choose_route(config, task));
  WDE_ASSIGN_OR_RETURN(route.modules, read_modules(config, route.name));
  return route;
}

}  // namespace

Result<Route> read_router(const std::string& folder, const std::string& task) {
  std::string path = folder + "/router_config.json";
  if (!file_exists(path)) path = folder + "/config.json";
  WDE_ASSIGN_OR_RETURN(const json::value parsed, json::parse_file(path, kMaxConfigBytes));
  const json::object* root = parsed.if_object();
  if (root == nullptr) return data_loss_error("{}: must be a JSON object", path);
  Result<Route> route = read_route(*root, task);
  return route.ok() ? std::move(route) : route.status().with_context(path);
}

}  // namespace wde::checkpoint
