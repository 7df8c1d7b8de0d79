#include "entrypoints/cli/build_info.h"

#include <fstream>

#include "wde_commit.h"

namespace wde::cli {

std::string build_commit() { return WDE_COMMIT; }

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown CPU";
}

}  // namespace wde::cli
