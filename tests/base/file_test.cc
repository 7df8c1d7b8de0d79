#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/temporary_folder.h"

namespace wde {
namespace {

using testing::HasSubstr;

TEST(ReadFile, ReadsBytesAsTheyAre) {
  const test::TemporaryFolder folder;
  const std::string content("a\0\xff\r\n", 5);
  EXPECT_EQ(read_file(folder.write("x", content), 5).value(), content);
  EXPECT_EQ(read_file(folder.write("empty", ""), 0).value(), "");
  const std::string large(300000, 'l');
  EXPECT_EQ(read_file(folder.write("large", large), large.size()).value(), large);
}

TEST(ReadFile, RefusesMoreThanItsBound) {
  const test::TemporaryFolder folder;
  const Status status = read_file(folder.write("x", "12345"), 4).status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("5 bytes, more than the 4"));
}

TEST(ReadFile, ReadsFilesWithoutASize) {
  EXPECT_THAT(read_file("/proc/self/status", 1 << 20).value(), HasSubstr("Threads:"));
  EXPECT_EQ(read_file("/proc/self/status", 10).status().code(), StatusCode::kDataLoss);
}

TEST(ReadFile, NamesWhatIsMissingOrNotAFile) {
  const test::TemporaryFolder folder;
  const std::string missing = folder.path("none");
  EXPECT_EQ(read_file(missing, 1).status(), not_found_error("{}: no such file", missing));
  EXPECT_EQ(read_file(folder.write("f", "") + "/x", 1).status().code(), StatusCode::kNotFound);
  EXPECT_THAT(read_file(folder.root(), 1).status().message(), HasSubstr("not a regular file"));
}

TEST(ReadFile, DoesNotHangOnAPipe) {
  const test::TemporaryFolder folder;
  const std::string pipe = folder.path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(read_file(pipe, 1).status().code(), StatusCode::kIoError);
  EXPECT_EQ(MappedFile::open(pipe).status().code(), StatusCode::kIoError);
}

TEST(FileExists, TellsFilesFromFolders) {
  const test::TemporaryFolder folder;
  const std::string file = folder.write("f", "");
  EXPECT_TRUE(file_exists(file) && !directory_exists(file));
  EXPECT_TRUE(directory_exists(folder.root()) && !file_exists(folder.root()));
  EXPECT_FALSE(file_exists(folder.path("none")) || directory_exists(folder.path("none")));
}

TEST(MappedFile, MapsAndMoves) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("f", "mapped");
  MappedFile first = MappedFile::open(path).value();
  MappedFile second = std::move(first);
  second = MappedFile::open(path).value();
  ASSERT_EQ(second.bytes().size(), 6u);
  EXPECT_EQ(static_cast<char>(second.bytes()[5]), 'd');
  EXPECT_EQ(second.path(), path);
  EXPECT_TRUE(MappedFile::open(folder.write("empty", "")).value().bytes().empty());
  EXPECT_EQ(MappedFile::open(folder.path("none")).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace wde
