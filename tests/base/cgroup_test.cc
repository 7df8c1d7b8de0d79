#include "base/cgroup.h"

#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace wde {
namespace {

class CgroupTest : public testing::Test {
 protected:
  CgroupLimits limits(const std::string& membership) {
    return read_cgroup_limits(folder.write("membership", membership), folder.path("mount"));
  }
  test::TemporaryFolder folder;
};

TEST_F(CgroupTest, V2TakesTheTightestOnTheWayUp) {
  folder.write("mount/a/b/cpu.max", "max 100000\n");
  folder.write("mount/a/cpu.max", "250000 100000\n");
  folder.write("mount/cpu.max", "800000 100000\n");
  folder.write("mount/a/b/memory.max", "1073741824\n");
  folder.write("mount/a/memory.max", "max\n");
  const CgroupLimits found = limits("0::/a/b\n");
  EXPECT_EQ(found.cores, 2.5);
  EXPECT_EQ(found.memory_bytes, size_t{1} << 30);
}

TEST_F(CgroupTest, V2InsideAContainerFallsBackToItsRoot) {
  folder.write("mount/cpu.max", "150000 100000");
  EXPECT_EQ(limits("0::/only/the/host/sees/this\n").cores, 1.5);
  EXPECT_EQ(limits("0::/\n").cores, 1.5);
}

TEST_F(CgroupTest, V1ReadsEachControllersOwnPath) {
  folder.write("mount/cpu/c/cpu.cfs_quota_us", "50000\n");
  folder.write("mount/cpu/c/cpu.cfs_period_us", "100000\n");
  folder.write("mount/cpu/cpu.cfs_quota_us", "-1\n");
  folder.write("mount/cpu/cpu.cfs_period_us", "100000\n");
  folder.write("mount/memory/m/memory.limit_in_bytes", "536870912\n");
  folder.write("mount/memory/memory.limit_in_bytes", "9223372036854771712\n");
  const CgroupLimits found = limits("11:cpuset:/x\n9:cpu,cpuacct:/c\n4:memory:/m\n0::/\n");
  EXPECT_EQ(found.cores, 0.5);
  EXPECT_EQ(found.memory_bytes, size_t{512} << 20);
}

TEST_F(CgroupTest, WhatSaysNothingLimitsNothing) {
  folder.write("mount/cpu.max", "max 100000\n");
  folder.write("mount/memory.max", "max\n");
  for (const char* membership : {"", "0::/\n", "garbage\n", "::\n:::::\n", "4:memory:/m\n"}) {
    const CgroupLimits found = limits(membership);
    EXPECT_EQ(found.cores, std::nullopt) << membership;
    EXPECT_EQ(found.memory_bytes, std::nullopt) << membership;
  }
  for (const char* broken :
       {"", "x", "100000", "100000 0", "-5 100000", "99999999999999999999 1"}) {
    folder.write("mount/cpu.max", broken);
    EXPECT_EQ(limits("0::/\n").cores, std::nullopt) << broken;
  }
  EXPECT_EQ(read_cgroup_limits("/nonexistent", "/nonexistent").cores, std::nullopt);
}

}  // namespace
}  // namespace wde
