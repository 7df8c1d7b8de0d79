// "Did you mean": the names that are fewest keystrokes away from one that is not there. Pure
// functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wde {

// Insertions, deletions, substitutions and swaps of neighbours that turn one into the other
// (optimal string alignment). Names only: time is the product of the lengths.
size_t edit_distance(std::string_view a, std::string_view b);

using NameDistance = size_t (*)(std::string_view wanted, std::string_view name);

// At most `most` of `known`, nearest first, equals in their order; none that is too far to have
// been meant. Bounded: looks at no more than some thousand names, and at none of hundreds of
// characters.
std::vector<std::string> nearest_names(std::string_view wanted, std::span<const std::string> known,
                                       size_t most, NameDistance distance = &edit_distance);

// "; the nearest is \"x\"", or "" when no tensor's name comes close: sharing the end
// ("bert.encoder.layer.0.x" for "encoder.layer.0.x") counts as very close.
std::string nearest_name_hint(std::string_view wanted, std::span<const std::string> names);

}  // namespace wde
