#include "base/process_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "support/temporary_folder.h"

namespace wde {
namespace {

constexpr size_t kBytes = size_t{64} << 20;

TEST(ProcessMemory, SeesWhatIsTouched) {
  const Result<ResidentMemory> before = read_resident_memory();
  ASSERT_TRUE(before.ok()) << before.status().message();
  const size_t heap_before = heap_in_use_bytes();
  const std::unique_ptr<char[]> block(new char[kBytes]);
  std::memset(block.get(), 1, kBytes);
  EXPECT_EQ(block[kBytes / 2], 1);
  const ResidentMemory after = read_resident_memory().value();
  EXPECT_GE(after.anonymous_bytes, before->anonymous_bytes + kBytes);
  EXPECT_GE(after.peak_bytes, after.anonymous_bytes);
  EXPECT_GT(after.file_bytes, 0u);
#ifndef WDE_SANITIZED
  EXPECT_LT(after.anonymous_bytes, before->anonymous_bytes + 2 * kBytes);
  EXPECT_GE(heap_in_use_bytes(), heap_before + kBytes);
#else  // whose heap is not malloc's, and which keeps notes beside all that is touched
  EXPECT_EQ(heap_in_use_bytes(), heap_before);
#endif
}

TEST(ProcessMemory, NamesTheFieldThatIsMissing) {
  const test::TemporaryFolder folder;
  const std::string lines = "VmHWM:\t  10 kB\nRssAnon:\t 20 kB\nRssFileOther: 1 kB\n";
  const std::string path = folder.write("status", lines);
  const Status status = read_resident_memory(path).status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(status.message(),
              testing::AllOf(testing::HasSubstr("RssFile"), testing::HasSubstr(path)));
  folder.write("status", lines + "RssFile:\t 30 kB\n");
  const ResidentMemory memory = read_resident_memory(path).value();
  EXPECT_EQ(memory.peak_bytes, 10u * 1024);
  EXPECT_EQ(memory.anonymous_bytes, 20u * 1024);
  EXPECT_EQ(memory.file_bytes, 30u * 1024);
  EXPECT_EQ(read_resident_memory(path + "2").status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace wde
