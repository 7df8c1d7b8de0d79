#include "base/cgroup.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <sstream>
#include <string_view>

#include "base/file.h"

namespace wde {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;
// v1 says "no limit" by the largest multiple of the page size; nobody has an exbibyte.
constexpr uint64_t kNoMemoryLimit = uint64_t{1} << 60;

std::optional<int64_t> parse_int(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return number;
}

std::string read_or_empty(const std::string& path) {
  Result<std::string> content = read_file(path, kMaxFileBytes);
  return content.ok() ? std::move(content).value() : std::string();
}

template <class T>
void tighten(std::optional<T>& limit, T found) {
  limit = limit.has_value() ? std::min(*limit, found) : found;
}

void apply_cpu(CgroupLimits& limits, std::optional<int64_t> quota, std::optional<int64_t> period) {
  if (!quota || !period || *quota <= 0 || *period <= 0) return;  // "max" (v2), -1 (v1)
  tighten(limits.cores, static_cast<double>(*quota) / static_cast<double>(*period));
}

void apply_memory(CgroupLimits& limits, std::optional<int64_t> bytes) {
  if (!bytes || *bytes <= 0 || static_cast<uint64_t>(*bytes) >= kNoMemoryLimit) return;
  tighten(limits.memory_bytes, static_cast<size_t>(*bytes));
}

// v2, cpu.max: "<quota|max> <period>"
void apply_v2(CgroupLimits& limits, const std::string& folder) {
  const std::string cpu_max = read_or_empty(folder + "/cpu.max");
  const size_t space = cpu_max.find(' ');
  if (space != std::string::npos) {
    apply_cpu(limits, parse_int(cpu_max), parse_int(std::string_view(cpu_max).substr(space + 1)));
  }
  apply_memory(limits, parse_int(read_or_empty(folder + "/memory.max")));
}

void apply_v1_cpu(CgroupLimits& limits, const std::string& folder) {
  apply_cpu(limits, parse_int(read_or_empty(folder + "/cpu.cfs_quota_us")),
            parse_int(read_or_empty(folder + "/cpu.cfs_period_us")));
}

void apply_v1_memory(CgroupLimits& limits, const std::string& folder) {
  apply_memory(limits, parse_int(read_or_empty(folder + "/memory.limit_in_bytes")));
}

// Applies every folder from mount/path up to the mount itself: a parent's limit binds too, and
// inside a container the path may name folders that only the host sees.
void walk_up(CgroupLimits& limits, const std::string& mount, std::string path,
             void (*apply)(CgroupLimits&, const std::string&)) {
  while (true) {
    while (path.ends_with('/')) path.pop_back();
    apply(limits, mount + path);
    if (path.empty()) return;
    const size_t slash = path.rfind('/');
    path.resize(slash == std::string::npos ? 0 : slash);
  }
}

bool has_controller(std::string_view list, std::string_view wanted) {
  return fmt::format(",{},", list).find(fmt::format(",{},", wanted)) != std::string::npos;
}

}  // namespace

CgroupLimits read_cgroup_limits(const std::string& membership_file, const std::string& mount) {
  CgroupLimits limits;
  std::istringstream lines(read_or_empty(membership_file));
  for (std::string line; std::getline(lines, line);) {
    // "<hierarchy>:<controllers>:<path>"; v2 is the line without controllers.
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) walk_up(limits, mount, path, apply_v2);
    if (has_controller(controllers, "cpu")) walk_up(limits, mount + "/cpu", path, apply_v1_cpu);
    if (has_controller(controllers, "memory")) {
      walk_up(limits, mount + "/memory", path, apply_v1_memory);
    }
  }
  return limits;
}

}  // namespace wde
