// Paths that come from a model's own files (modules.json, a shard index, a hub listing) and must
// stay inside it.
#pragma once

#include <string_view>

namespace wde::checkpoint {

// True for a relative path of plain components: no "..", no ".", no empty one, no leading or
// trailing slash, no control character, no backslash. The empty path is not one.
bool is_inside_path(std::string_view path);

}  // namespace wde::checkpoint
