#include "checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "support/paths.h"
#include "temp_folder.h"

namespace wde::checkpoint {
namespace {

using test::safetensors_bytes;
using testing::HasSubstr;

using SourceResult = Result<std::shared_ptr<const WeightSource>>;

SourceResult open_bytes(const std::string& file) {
  return open_safetensors_bytes(std::as_bytes(std::span(file)), "test.safetensors");
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

// Expects kDataLoss whose message holds `part` and the file's name.
void expect_broken(const std::string& file, const std::string& part) {
  const SourceResult source = open_bytes(file);
  ASSERT_FALSE(source.ok()) << part;
  EXPECT_EQ(source.status().code(), StatusCode::kDataLoss) << source.status().message();
  EXPECT_THAT(source.status().message(), HasSubstr(part));
  EXPECT_THAT(source.status().message(), HasSubstr("test.safetensors"));
}

void expect_broken_header(const std::string& header, const std::string& data,
                          const std::string& part) {
  expect_broken(safetensors_bytes(header, data), part);
}

TEST(Safetensors, ReadsTensorsOfSeveralDTypesAndRanks) {
  const std::string header = "{\"__metadata__\":{\"format\":\"pt\"}," +
                             entry("scalar", "F32", "[]", "[0,4]") + "," +
                             entry("matrix", "F16", "[2,3]", "[4,16]") + "," +
                             entry("ids", "I64", "[1,1,1,2]", "[16,32]") + "," +
                             entry("none", "BF16", "[0,7]", "[32,32]") + "}  ";
  std::string data(32, '\0');
  const float one = 1.5F;
  std::memcpy(data.data(), &one, sizeof(one));
  const std::string file = safetensors_bytes(header, data);
  const SourceResult source = open_bytes(file);
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_THAT((*source)->names(), testing::UnorderedElementsAre("scalar", "matrix", "ids", "none"));
  EXPECT_TRUE((*source)->has("ids"));
  EXPECT_FALSE((*source)->has("__metadata__"));

  const auto scalar = (*source)->tensor("scalar");
  ASSERT_TRUE(scalar.ok());
  EXPECT_EQ(scalar->shape, Shape{});
  float read = 0;
  std::memcpy(&read, scalar->data, sizeof(read));
  EXPECT_EQ(read, 1.5F);

  const auto matrix = (*source)->tensor("matrix");
  ASSERT_TRUE(matrix.ok());
  EXPECT_EQ(matrix->dtype, DType::kF16);
  EXPECT_EQ(matrix->shape, (Shape{2, 3}));
  EXPECT_EQ(matrix->row_stride, 3);
  const auto* file_begin = reinterpret_cast<const std::byte*>(file.data());
  EXPECT_EQ(matrix->as<std::byte>(), file_begin + 8 + header.size() + 4);
  EXPECT_EQ((*source)->tensor("none")->shape, (Shape{0, 7}));
  EXPECT_EQ((*source)->tensor("ids")->shape, (Shape{1, 1, 1, 2}));
}

TEST(Safetensors, ChecksShapeAndDTypeOnRequest) {
  const std::string file = safetensors_bytes(
      "{" + entry("a", "F32", "[2,2]", "[0,16]") + "," + entry("i", "I64", "[1]", "[16,24]") + "}",
      std::string(24, '\0'));
  const SourceResult source = open_bytes(file);
  ASSERT_TRUE(source.ok());
  EXPECT_TRUE((*source)->tensor("a", Shape{2, 2}).ok());
  const auto reshaped = (*source)->tensor("a", Shape{4});
  EXPECT_EQ(reshaped.status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(reshaped.status().message(), HasSubstr("[2, 2]; expected [4]"));
  const auto integers = (*source)->tensor("i", Shape{1});
  EXPECT_EQ(integers.status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(integers.status().message(), HasSubstr("i64"));
}

TEST(Safetensors, NamesTheNearestTensor) {
  const std::string file =
      test::f32_safetensors({{"bert.encoder.layer.0.query.weight", {1}}, {"pooler.bias", {2}}});
  const SourceResult source = open_bytes(file);
  ASSERT_TRUE(source.ok());
  const auto missing_prefix = (*source)->tensor("encoder.layer.0.query.weight");
  EXPECT_EQ(missing_prefix.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(missing_prefix.status().message(),
              HasSubstr("nearest is \"bert.encoder.layer.0.query.weight\""));
  EXPECT_THAT((*source)->tensor("pooler.bais").status().message(),
              HasSubstr("nearest is \"pooler.bias\""));
  EXPECT_THAT((*source)->tensor("x").status().message(), testing::Not(HasSubstr("nearest")));
}

TEST(Safetensors, KeepsNamesOfWhatItCanNotSay) {
  const std::string file =
      safetensors_bytes("{" + entry("double", "F64", "[1]", "[0,8]") + "," +
                            entry("rank5", "F32", "[1,1,1,1,1]", "[8,12]") + "," +
                            entry("future", "F2_NEW", "[3]", "[12,13]") + "," +
                            entry("half_bytes", "F4", "[2]", "[13,14]") + "}",
                        std::string(14, '\0'));
  const SourceResult source = open_bytes(file);
  ASSERT_TRUE(source.ok()) << source.status().message();
  for (const char* name : {"double", "rank5", "future", "half_bytes"}) {
    EXPECT_TRUE((*source)->has(name));
    EXPECT_EQ((*source)->tensor(name).status().code(), StatusCode::kUnsupported) << name;
  }
  EXPECT_THAT((*source)->tensor("rank5").status().message(), HasSubstr("5 dimensions"));
  EXPECT_THAT((*source)->tensor("future").status().message(), HasSubstr("F2_NEW"));
}

TEST(Safetensors, RefusesBrokenLengths) {
  expect_broken("", "0 bytes");
  expect_broken("1234567", "7 bytes");
  expect_broken(std::string("\x10\0\0\0\0\0\0\0{}", 10), "header of 16 bytes in a file of 10");
  expect_broken(std::string(8, '\xff') + "{}", "header of 18446744073709551615 bytes");
  expect_broken(std::string("\x01\xe1\xf5\x05\0\0\0\0", 8),
                "header of 100000001 bytes; 100000000 are allowed");
  expect_broken(std::string(8, '\0'), "invalid JSON");
}

TEST(Safetensors, RefusesBrokenHeaders) {
  expect_broken_header("[]", "", "must be a JSON object");
  expect_broken_header("{", "", "invalid JSON");
  expect_broken_header("{\"a\":7}", "", "tensor \"a\"");
  expect_broken_header("{\"a\xff\":{}}", "", "invalid JSON");
  expect_broken_header("{" + entry("a", "F32", "[2]", "[0]") + "}", std::string(8, '\0'),
                       "[begin, end]");
  expect_broken_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", std::string(8, '\0'),
                       "\"data_offsets\" is missing");
  expect_broken_header("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", std::string(8, '\0'),
                       "\"shape\" is missing");
  expect_broken_header("{\"a\":{\"dtype\":32,\"shape\":[2],\"data_offsets\":[0,8]}}",
                       std::string(8, '\0'), "\"dtype\"");
  expect_broken_header("{" + entry("a", "F32", "[-2]", "[0,8]") + "}", std::string(8, '\0'),
                       "whole numbers");
  expect_broken_header("{" + entry("a", "F32", "[2.0]", "[0,8]") + "}", std::string(8, '\0'),
                       "whole numbers");
  expect_broken_header("{" + entry("a", "F32", "[2]", "[0,18446744073709551615]") + "}",
                       std::string(8, '\0'), "whole numbers");
  expect_broken_header(std::string(100000, '['), "", "invalid JSON");
}

TEST(Safetensors, RefusesLyingRanges) {
  const std::string data(8, '\0');
  expect_broken_header("{" + entry("a", "F32", "[2]", "[8,0]") + "}", data, "begin <= end");
  expect_broken_header("{" + entry("a", "F32", "[4]", "[0,16]") + "}", data,
                       "outside the file's 8 bytes");
  expect_broken_header("{" + entry("a", "F32", "[3]", "[0,8]") + "}", data, "makes 12");
  expect_broken_header("{" + entry("a", "F16", "[2]", "[0,8]") + "}", data, "makes 4");
  expect_broken_header("{" + entry("a", "F4", "[3]", "[0,8]") + "}", data, "ends inside a byte");
  // 2^62 * 8 bytes wrap round to 0.
  expect_broken_header("{" + entry("a", "I64", "[4611686018427387904,2]", "[0,0]") + "}", data,
                       "overflows");
  expect_broken_header("{" + entry("a", "F32", "[4294967296,4294967296]", "[0,0]") + "}", data,
                       "overflows");
}

TEST(Safetensors, RefusesOverlapsHolesAndTails) {
  const std::string data(16, '\0');
  const std::string first = entry("a", "F32", "[2]", "[0,8]");
  expect_broken_header("{" + first + "," + entry("b", "F32", "[3]", "[4,16]") + "}", data,
                       "overlap");
  expect_broken_header("{" + first + "," + entry("b", "F32", "[2]", "[0,8]") + "}", data.substr(8),
                       "overlap");
  expect_broken_header("{" + first + "," + entry("b", "F32", "[1]", "[12,16]") + "}", data,
                       "belong to no tensor");
  expect_broken_header("{" + first + "}", data, "last 8 of 16 bytes");
  expect_broken_header("{" + first + "," + entry("a", "F32", "[2]", "[8,16]") + "}", data,
                       "a name stands twice");
}

TEST(Safetensors, EveryTruncationOfAFileIsRefused) {
  const std::string whole = test::f32_safetensors({{"a", {1, 2, 3}}, {"b", {4}}});
  ASSERT_TRUE(open_bytes(whole).ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    EXPECT_EQ(open_bytes(cut).status().code(), StatusCode::kDataLoss) << size;
  }
}

TEST(Safetensors, MapsAFile) {
  const test::TempFolder folder;
  const std::string path = folder.write("w.safetensors", test::f32_safetensors({{"a", {1, 2, 3}}}));
  const SourceResult source = open_safetensors(path);
  ASSERT_TRUE(source.ok()) << source.status().message();
  const auto tensor = (*source)->tensor("a", Shape{3});
  ASSERT_TRUE(tensor.ok());
  float read[3];
  std::memcpy(read, tensor->data, sizeof(read));
  EXPECT_THAT(read, testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(open_safetensors(folder.path("none")).status().code(), StatusCode::kNotFound);
}

TEST(Safetensors, ReadsARealModel) {
  const std::string model = test::real_model();
  WDE_SKIP_WITHOUT(model, "all-MiniLM-L6-v2");
  const SourceResult source = open_safetensors(model + "/model.safetensors");
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_GT((*source)->names().size(), 100U);
  EXPECT_TRUE((*source)->tensor("embeddings.word_embeddings.weight", Shape{30522, 384}).ok());
}

}  // namespace
}  // namespace wde::checkpoint
