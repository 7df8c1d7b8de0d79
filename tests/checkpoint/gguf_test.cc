#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "checkpoint/gguf_file.h"
#include "checkpoint/safetensors.h"
#include "gguf_writer.h"
#include "support/paths.h"
#include "tensor/computed_rows.h"

namespace wde::checkpoint {
namespace {

using test::GgufWriter;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<float> numbers_of(const WeightSource& source, const std::string& name) {
  const auto view = source.tensor(name);
  EXPECT_TRUE(view.ok()) << view.status().message();
  if (!view.ok()) return {};
  std::vector<float> values(static_cast<size_t>(view->shape.elements()));
  read_f32(*view, values.data());
  return values;
}

Result<GgufFile> open_bytes(const std::string& bytes) {
  return open_gguf_bytes(std::as_bytes(std::span(bytes)), "test.gguf");
}

void expect_refused(const std::string& bytes, const std::string& part,
                    StatusCode code = StatusCode::kDataLoss) {
  const auto file = open_bytes(bytes);
  ASSERT_FALSE(file.ok()) << part;
  EXPECT_EQ(file.status().code(), code) << file.status().message();
  EXPECT_THAT(file.status().message(), AllOf(HasSubstr(part), HasSubstr("test.gguf")));
}

TEST(Gguf, BlocksStandForTheNumbersOfTheGgufPackage) {
  const auto file = open_gguf(test::fixture("weight_models/gguf_blocks/blocks.gguf"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  const auto expected =
      open_safetensors(test::fixture("weight_models/gguf_blocks/numbers.safetensors")).value();
  for (const char* name : {"q4_0", "q8_0", "q4_k", "q6_k"}) {
    const TensorView view = file->tensors->tensor(name).value();
    EXPECT_EQ(view.shape, Shape({3, 512}));
    EXPECT_EQ(numbers_of(*file->tensors, name), numbers_of(*expected, name)) << name;
    // A slice reads the same rows.
    std::vector<float> row(512);
    read_f32(view.slice_rows(2, 1), row.data());
    EXPECT_EQ(row[511], numbers_of(*expected, name).back());
  }
  const Status other = file->tensors->tensor("q5_k").status();
  EXPECT_EQ(other.code(), StatusCode::kUnsupported);
  EXPECT_THAT(other.message(), AllOf(HasSubstr("Q5_K"), HasSubstr("q5_k")));
}

TEST(Gguf, ReadsMetadataAndPlainTensors) {
  GgufWriter writer;
  writer.add("a.text", "é");
  writer.add("a.count", uint32_t{7});
  writer.add("a.real", 0.5f);
  writer.add("a.flag", true);
  writer.add("a.list", std::vector<std::string>{"x", "y"});
  writer.add_f32("t", {2, 3}, {1, 2, 3, 4, 5, 6});
  const std::string bytes = writer.bytes();
  const auto file = open_bytes(bytes);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(json::get_string(file->metadata, "a.text", "").value(), "é");
  EXPECT_EQ(json::get_int(file->metadata, "a.count", 0).value(), 7);
  EXPECT_EQ(json::get_double(file->metadata, "a.real", 0).value(), 0.5);
  EXPECT_TRUE(json::get_bool(file->metadata, "a.flag", false).value());
  EXPECT_EQ(json::get_array(file->metadata, "a.list").value()->size(), 2u);
  EXPECT_EQ(file->tensors->tensor("t")->shape, Shape({2, 3}));
  EXPECT_THAT(numbers_of(*file->tensors, "t"), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(file->tensors->tensor("u").status().code(), StatusCode::kNotFound);
}

TEST(Gguf, BrokenFilesAreRefused) {
  GgufWriter writer;
  writer.add("a.text", "abc");
  writer.add_f32("t", {2, 3}, {1, 2, 3, 4, 5, 6});
  const std::string good = writer.bytes();
  ASSERT_TRUE(open_bytes(good).ok());
  for (size_t size = 0; size < good.size() - 8; ++size)  // the last 8 bytes are padding
    EXPECT_FALSE(open_bytes(good.substr(0, size)).ok()) << size;
  expect_refused("GGML" + good.substr(4), "does not begin with");
  std::string other = good;
  other[4] = 1;
  expect_refused(other, "version 1", StatusCode::kUnsupported);
  other = good;
  std::memcpy(other.data() + 4, "\0\0\0\3", 4);
  expect_refused(other, "big-endian", StatusCode::kUnsupported);
  other = good;
  std::memset(other.data() + 8, 0xff, 8);  // tensors
  expect_refused(other, "tensors");
  other = good;
  std::memset(other.data() + 16, 0xff, 8);  // keys
  expect_refused(other, "keys");

  GgufWriter twice;
  twice.add("a", true);
  twice.add("a", true);
  expect_refused(twice.bytes(), "\"a\" stands twice");
  GgufWriter same;
  same.add_f32("t", {1}, {1});
  same.add_f32("t", {1}, {1});
  expect_refused(same.bytes(), "\"t\" stands twice");
  GgufWriter beyond;
  beyond.add_f32("t", {4, 1 << 20}, {1});
  expect_refused(beyond.bytes(), "reaches beyond");
  GgufWriter overflowing;
  overflowing.add_tensor("t", {int64_t{1} << 62, 16}, 0, "");
  expect_refused(overflowing.bytes(), "reaches beyond");
  GgufWriter crooked;
  crooked.set_offset(4);
  crooked.add_f32("t", {1}, {1});
  expect_refused(crooked.bytes(), "not a multiple of 32");
  GgufWriter far;
  far.set_offset(1 << 20);
  far.add_f32("t", {1}, {1});
  expect_refused(far.bytes(), "behind the file's");
  GgufWriter split_block;
  split_block.add_tensor("t", {1, 40}, 2, std::string(200, '\0'));
  expect_refused(split_block.bytes(), "no whole blocks of Q4_0");
  GgufWriter vector;
  vector.add_tensor("t", {32}, 8, std::string(34, '\0'));
  expect_refused(vector.bytes(), "a vector of Q8_0");
  GgufWriter aligned;
  aligned.add("general.alignment", uint32_t{24});
  expect_refused(aligned.bytes(), "general.alignment");
  GgufWriter shards;
  shards.add("split.count", uint32_t{2});
  expect_refused(shards.bytes(), "one of 2 files", StatusCode::kUnsupported);
}

TEST(Gguf, MetadataIsLimited) {
  constexpr size_t kMostBytes = size_t{16} << 20;
  GgufWriter longest;
  longest.add("a.text", std::string(kMostBytes, 'x'));
  EXPECT_TRUE(open_bytes(longest.bytes()).ok());
  GgufWriter longer;
  longer.add("a.text", std::string(kMostBytes + 1, 'x'));
  expect_refused(longer.bytes(), "\"a.text\": a string of 16777217 bytes");

  constexpr size_t kMostElements = size_t{1} << 24;
  GgufWriter full;
  full.add_array("a", 0, kMostElements - 3, std::string(kMostElements - 3, 'x'));
  full.add_array("b", 0, 3, "xyz");
  EXPECT_TRUE(open_bytes(full.bytes()).ok());
  full.add_array("c", 0, 1, "x");
  expect_refused(full.bytes(), "\"c\": an array of 1 elements; at most 16777216 in all");

  for (const auto& [type, size] : {std::pair(1u, 1u),
                                   {7u, 1u},
                                   {2u, 2u},
                                   {3u, 2u},
                                   {4u, 4u},
                                   {5u, 4u},
                                   {6u, 4u},
                                   {8u, 8u},
                                   {10u, 8u},
                                   {11u, 8u},
                                   {12u, 8u}}) {
    GgufWriter fits;
    fits.add_array("a", type, 4, std::string(4 * size, '\0'));
    EXPECT_TRUE(open_bytes(fits.bytes()).ok()) << type;
    GgufWriter lies;
    lies.add_array("a", type, 1000, std::string(1000 * size - 65, '\0'));
    expect_refused(lies.bytes(), "\"a\": an array of 1000 elements in");
    GgufWriter absurd;
    absurd.add_array("a", type, uint64_t{1} << 63, "");
    expect_refused(absurd.bytes(), "\"a\": an array of");
  }
  GgufWriter nested;
  nested.add_array("a", 9, 0, "");
  expect_refused(nested.bytes(), "an array of arrays", StatusCode::kUnsupported);
  GgufWriter unknown;
  unknown.add_array("a", 13, 0, "");
  expect_refused(unknown.bytes(), "a value of type 13");
}

}  // namespace
}  // namespace wde::checkpoint
