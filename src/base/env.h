// The only place that reads environment variables. Each variable that WDE knows stands in
// known_variables() with a line of help, which `wde --help` prints.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace wde::env {

struct Variable {
  std::string_view name;
  std::string_view help;
};

// HF_HOME, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE, HF_HUB_CACHE, WDE_LOG, WDE_ISA, TEI's server
// options, …
std::span<const Variable> known_variables();

// The value of a known variable; unset or empty gives nullopt. Asking for an unknown one aborts.
std::optional<std::string> get(std::string_view name);

// "1", "true", "yes", "on" in any case are true; anything else, and unset, false.
bool get_flag(std::string_view name);

}  // namespace wde::env
