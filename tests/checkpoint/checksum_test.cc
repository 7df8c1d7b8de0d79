#include "checkpoint/checksum.h"

#include <gtest/gtest.h>

#include "temp_folder.h"

namespace wde::checkpoint {
namespace {

// Expected values by coreutils' sha256sum and by `git hash-object`.
TEST(Checksum, OfKnownContents) {
  const test::TempFolder folder;
  const std::string empty = folder.write("empty", "");
  const std::string hello = folder.write("hello", "hello\n");
  EXPECT_EQ(file_checksum(empty, ChecksumKind::kSha256).value(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(file_checksum(hello, ChecksumKind::kSha256).value(),
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  EXPECT_EQ(file_checksum(empty, ChecksumKind::kGitBlobSha1).value(),
            "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(file_checksum(hello, ChecksumKind::kGitBlobSha1).value(),
            "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(file_checksum(folder.path("none"), ChecksumKind::kSha256).status().code(),
            StatusCode::kNotFound);
}

TEST(Checksum, KindByTheDigits) {
  EXPECT_EQ(checksum_kind(std::string(64, 'a')), ChecksumKind::kSha256);
  EXPECT_EQ(checksum_kind(std::string(40, '0')), ChecksumKind::kGitBlobSha1);
  for (const std::string& other :
       {std::string(), std::string(32, 'a'), std::string(40, 'A'), std::string(64, 'g')}) {
    EXPECT_FALSE(checksum_kind(other).has_value()) << other;
  }
}

}  // namespace
}  // namespace wde::checkpoint
