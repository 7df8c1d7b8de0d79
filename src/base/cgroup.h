// What the control groups (v1 and v2) allow this process. Internal to base/: others ask
// base/thread_pool.h, which also knows the affinity mask and the machine.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace wde {

struct CgroupLimits {
  std::optional<double> cores;  // CPU quota / period
  std::optional<size_t> memory_bytes;
};

// The tightest limits on the way from the process's groups up to the root. `membership_file` is
// /proc/self/cgroup, `mount` is /sys/fs/cgroup; tests name others. What can't be read limits
// nothing.
CgroupLimits read_cgroup_limits(const std::string& membership_file = "/proc/self/cgroup",
                                const std::string& mount = "/sys/fs/cgroup");

}  // namespace wde
