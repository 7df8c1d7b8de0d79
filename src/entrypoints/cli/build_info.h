// Which build this is, and on what it runs.
#pragma once

#include <string>

namespace wde::cli {

// The commit it was built from, "-dirty" behind it when files differed; "unknown" outside a
// repository.
std::string build_commit();

// As the kernel names it.
std::string cpu_name();

}  // namespace wde::cli
