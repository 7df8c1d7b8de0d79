// The closest of some names to one that is not there, for error messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace wde::checkpoint {

// "; the nearest is \"x\"", or "" when nothing among `names` comes close: by edit distance, where
// sharing the end
// ("bert.encoder.layer.0.x" for "encoder.layer.0.x") counts as very close. Bounded: looks at no
// more than some thousand names.
std::string nearest_name_hint(std::string_view wanted, std::span<const std::string> names);

}  // namespace wde::checkpoint
