#include "entrypoints/cli/build_info.h"

#include "wde_commit.h"

namespace wde::cli {

std::string build_commit() { return WDE_COMMIT; }

}  // namespace wde::cli
