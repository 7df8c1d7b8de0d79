#include "entrypoints/cli/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <span>
#include <vector>

namespace wde::cli {
namespace {

using ::testing::ElementsAre;

// The expected numbers are what quantize_embeddings(x, precision) of sentence-transformers 6.2
// gives.
const std::vector<float> kValues = {
    0.5f,  -0.25f, 0.0f,  1e-8f,  -1.0f, 0.125f, 0.75f,  -0.0f, 0.3f,  -0.6f,  //
    -0.5f, 0.25f,  0.1f,  -1e-8f, 1.0f,  0.125f, -0.75f, 0.2f,  0.3f,  0.61f,  //
    0.1f,  0.0f,   -0.3f, 0.0f,   0.33f, 0.125f, 0.2f,   -0.4f, 0.31f, 0.0f};
constexpr size_t kColumns = 10;

std::span<const float> row(size_t index) {
  return std::span(kValues).subspan(index * kColumns, kColumns);
}

TEST(Quantize, Int8AndUint8FollowSentenceTransformers) {
  const auto ranges = embedding_ranges(kValues, kColumns);
  ASSERT_TRUE(ranges.ok());
  EXPECT_THAT(quantize_int8(row(0), *ranges),
              ElementsAre(126, -128, 63, 127, -128, -128, 127, 42, -128, -128));
  EXPECT_THAT(quantize_int8(row(1), *ranges),
              ElementsAre(-128, 126, 127, -128, 126, -128, -128, 127, -128, 127));
  EXPECT_THAT(quantize_int8(row(2), *ranges),
              ElementsAre(25, -1, -128, -1, 41, -128, 33, -128, 127, -2));
  EXPECT_THAT(quantize_uint8(row(0), *ranges), ElementsAre(254, 0, 191, 255, 0, 0, 255, 170, 0, 0));
  EXPECT_THAT(quantize_uint8(row(1), *ranges), ElementsAre(0, 254, 255, 0, 254, 0, 0, 255, 0, 255));
  EXPECT_THAT(quantize_uint8(row(2), *ranges),
              ElementsAre(153, 127, 0, 127, 169, 0, 161, 0, 255, 126));
}

TEST(Quantize, BinaryAndUbinaryFollowSentenceTransformers) {
  EXPECT_THAT(quantize_ubinary(row(0)), ElementsAre(150, 128));
  EXPECT_THAT(quantize_ubinary(row(1)), ElementsAre(109, 192));
  EXPECT_THAT(quantize_ubinary(row(2)), ElementsAre(142, 128));
  EXPECT_THAT(quantize_binary(row(0)), ElementsAre(22, 0));
  EXPECT_THAT(quantize_binary(row(1)), ElementsAre(-19, 64));
  EXPECT_THAT(quantize_binary(row(2)), ElementsAre(14, 0));
}

TEST(Quantize, ASingleEmbeddingHasNoRange) {
  EXPECT_EQ(embedding_ranges(row(0), kColumns).status().code(), StatusCode::kInvalidArgument);
}

TEST(Quantize, NanBecomesZeroAndNotUndefined) {
  const Ranges ranges{{0.0f}, {1.0f}};
  const std::vector<float> nan = {std::numeric_limits<float>::quiet_NaN()};
  EXPECT_THAT(quantize_uint8(nan, ranges), ElementsAre(0));
  EXPECT_THAT(quantize_ubinary(nan), ElementsAre(0));
}

TEST(OutputDType, NamesAreThoseOfTheFlag) {
  EXPECT_EQ(parse_output_dtype("ubinary"), OutputDType::kUbinary);
  EXPECT_EQ(parse_output_dtype("float"), OutputDType::kFloat);
  EXPECT_FALSE(parse_output_dtype("int4").has_value());
}

}  // namespace
}  // namespace wde::cli
