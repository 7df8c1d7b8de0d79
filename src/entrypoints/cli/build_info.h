// Which build this is.
#pragma once

#include <string>

namespace wde::cli {

// The commit it was built from, "-dirty" behind it when files differed; "unknown" outside a
// repository.
std::string build_commit();

}  // namespace wde::cli
