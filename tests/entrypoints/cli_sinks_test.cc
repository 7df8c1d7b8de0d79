#include "entrypoints/cli/sinks.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

#include "entrypoints/cli_pipe.h"

namespace wde::cli {
namespace {

using test::Pipe;
using test::TemporaryFolder;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Response embedding(std::vector<float> values) {
  Response response;
  response.rows = 1;
  response.columns = static_cast<int64_t>(values.size());
  response.values = std::move(values);
  return response;
}

// What a file holds after these embeddings went through the sink.
std::string written(EmbedFormat format, const std::vector<std::vector<float>>& rows) {
  TemporaryFolder folder;
  {
    auto output = Output::open(folder.file("out"));
    EXPECT_TRUE(output.ok());
    auto sink = make_embed_sink(**output, format, 2);
    EXPECT_TRUE(sink.ok());
    for (const auto& row : rows) EXPECT_TRUE((*sink)->write(embedding(row)).ok());
    EXPECT_TRUE((*sink)->finish().ok());
  }
  return test::content_of(folder.file("out"));
}

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

TEST(NpyHeader, IsVersionOneAligned) {
  const std::string header = npy_header("<f4", 3, 384);
  EXPECT_EQ(header.size(), 128u);
  EXPECT_THAT(header, StartsWith(std::string("\x93NUMPY\x01\x00\x76\x00", 10) +
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 384), }"));
  EXPECT_EQ(header.back(), '\n');
  EXPECT_EQ(npy_header("|i1", INT64_MAX, INT64_MAX).size(), 128u);
}

TEST(EmbedSink, JsonLines) {
  EXPECT_EQ(written({}, {{0.1f, -2.0f}, {1e-8f, 3.0f}}), "[0.1,-2]\n[1e-08,3]\n");
  EXPECT_EQ(written({Format::kJson, OutputDType::kUbinary}, {{1, -1}}), "[128]\n");
  EXPECT_EQ(written({Format::kJson, OutputDType::kBinary}, {{1, -1}, {-1, -1}}), "[0]\n[-128]\n");
  EXPECT_EQ(written({Format::kJson, OutputDType::kUint8}, {{0, 255}, {255, 0}, {127.5f, 255}}),
            "[0,255]\n[255,0]\n[127,255]\n");
  EXPECT_EQ(written({}, {}), "");
}

TEST(EmbedSink, RawFloats) {
  EXPECT_EQ(written({Format::kF32, OutputDType::kFloat}, {{1, 2}, {3, 4}}), bytes_of({1, 2, 3, 4}));
}

TEST(EmbedSink, NpyCountsItsRows) {
  EXPECT_EQ(written({Format::kNpy, OutputDType::kFloat}, {{1, 2}, {3, 4}}),
            npy_header("<f4", 2, 2) + bytes_of({1, 2, 3, 4}));
  EXPECT_EQ(written({Format::kNpy, OutputDType::kFloat}, {}), npy_header("<f4", 0, 2));
  EXPECT_EQ(written({Format::kNpy, OutputDType::kUbinary}, {{1, 1}}),
            npy_header("|u1", 1, 1) + "\xC0");
  EXPECT_EQ(written({Format::kNpy, OutputDType::kInt8}, {{0, 255}, {255, 0}}),
            npy_header("|i1", 2, 2) + "\x80\x7f\x7f\x80");
}

TEST(EmbedSink, NpyThroughAPipeComesAtTheEndButComplete) {
  Pipe pipe;
  Output output(pipe.write_end(), "pipe", Output::Ownership::kBorrowed);
  auto sink = make_embed_sink(output, {Format::kNpy, OutputDType::kFloat}, 2);
  ASSERT_TRUE((*sink)->write(embedding({1, 2})).ok());
  ASSERT_TRUE((*sink)->finish().ok());
  EXPECT_EQ(pipe.take(), npy_header("<f4", 1, 2) + bytes_of({1, 2}));
}

TEST(EmbedSink, NpyThatEndsEarlyHoldsWhatWasFlushed) {
  TemporaryFolder folder;
  const auto output = Output::open(folder.file("out"));
  auto sink = make_embed_sink(**output, {Format::kNpy, OutputDType::kFloat}, 2);
  for (int64_t rows = 1; rows <= 2; ++rows) {
    ASSERT_TRUE((*sink)->write(embedding({1, 2})).ok());
    ASSERT_TRUE((*sink)->flush().ok());
    EXPECT_THAT(test::content_of(folder.file("out")), StartsWith(npy_header("<f4", rows, 2)));
  }
}

TEST(EmbedSink, NpyBehindWhatAFileHoldsAlready) {
  TemporaryFolder folder;
  const std::string path = folder.write("out", "before");
  for (const int flags : {O_WRONLY, O_WRONLY | O_APPEND}) {
    folder.write("out", "before");
    const int descriptor = ::open(path.c_str(), flags);
    ::lseek(descriptor, 0, SEEK_END);
    Output output(descriptor, "out", Output::Ownership::kOwned);
    auto sink = make_embed_sink(output, {Format::kNpy, OutputDType::kFloat}, 2);
    ASSERT_TRUE((*sink)->write(embedding({1, 2})).ok());
    ASSERT_TRUE((*sink)->finish().ok());
    EXPECT_EQ(test::content_of(path), "before" + npy_header("<f4", 1, 2) + bytes_of({1, 2}));
  }
}

TEST(EmbedSink, Int8OfOneInputIsRefused) {
  Pipe pipe;
  Output output(pipe.write_end(), "pipe", Output::Ownership::kBorrowed);
  auto sink = make_embed_sink(output, {Format::kJson, OutputDType::kInt8}, 2);
  ASSERT_TRUE((*sink)->write(embedding({1, 2})).ok());
  EXPECT_EQ((*sink)->finish().code(), StatusCode::kInvalidArgument);
}

TEST(EmbedFormat, RawFloatsHoldNothingElse) {
  EXPECT_FALSE(check_embed_format({Format::kF32, OutputDType::kInt8}).ok());
  EXPECT_TRUE(check_embed_format({Format::kF32, OutputDType::kFloat}).ok());
  EXPECT_TRUE(check_embed_format({Format::kNpy, OutputDType::kInt8}).ok());
}

TEST(HiddenSink, ARowPerToken) {
  Pipe pipe;
  Output output(pipe.write_end(), "pipe", Output::Ownership::kBorrowed);
  const auto sink = make_line_sink(output, &append_token_rows);
  Response response = embedding({1, 2, 3, 4, 5, 6});
  response.rows = 3;
  response.columns = 2;
  ASSERT_TRUE(sink->write(response).ok());
  ASSERT_TRUE(sink->flush().ok());
  EXPECT_EQ(pipe.take(), "[[1,2],[3,4],[5,6]]\n");
}

TEST(Output, AClosedPipeAndAFullDeviceAreErrors) {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  pipe.close_read();
  Output closed(pipe.write_end(), "stdout", Output::Ownership::kBorrowed);
  ASSERT_TRUE(closed.write("x").ok());
  EXPECT_EQ(closed.flush().code(), StatusCode::kIoError);
  auto full = Output::open("/dev/full");
  ASSERT_TRUE(full.ok());
  ASSERT_TRUE((*full)->write("x").ok());
  const Status status = (*full)->flush();
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(status.message(), HasSubstr("/dev/full"));
}

TEST(Output, AFileKeepsItsContentUntilThereIsOther) {
  TemporaryFolder folder;
  const std::string path = folder.write("out", "an earlier and longer result");
  ASSERT_TRUE(Output::open(path).ok());
  EXPECT_EQ(test::content_of(path), "an earlier and longer result");
  {
    const auto output = Output::open(path);
    ASSERT_TRUE((*output)->write("new").ok());
    ASSERT_TRUE((*output)->finish().ok());
    EXPECT_EQ(test::content_of(path), "new");
  }
  ASSERT_TRUE((*Output::open(path))->finish().ok());  // a run without a result
  EXPECT_EQ(test::content_of(path), "");
}

TEST(Output, AFileThatCantBeMadeIsAWrongArgument) {
  const auto output = Output::open("/nonexistent/out");
  ASSERT_FALSE(output.ok());
  EXPECT_EQ(output.status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace wde::cli
