// "Did you mean": the known name that is fewest keystrokes away. Pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace wde::cli {

// Insertions, deletions, substitutions and swaps of neighbours that turn one into the other
// (optimal string alignment). Names only: at most some hundred characters.
size_t edit_distance(std::string_view a, std::string_view b);

// The nearest of `known`, the first of equals; empty when none is near enough to have been meant.
std::string nearest_name(std::string_view name, std::span<const std::string> known);

}  // namespace wde::cli
