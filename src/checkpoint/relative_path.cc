#include "checkpoint/relative_path.h"

#include <algorithm>

namespace wde::checkpoint {

bool is_inside_path(std::string_view path) {
  const bool odd_byte = std::any_of(path.begin(), path.end(), [](char byte) {
    return byte == '\\' || byte == '\x7f' || static_cast<unsigned char>(byte) < ' ';
  });
  if (odd_byte) return false;
  while (true) {
    const size_t slash = path.find('/');
    const std::string_view component = path.substr(0, slash);
    if (component.empty() || component == "." || component == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace wde::checkpoint
