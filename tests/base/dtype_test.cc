#include "base/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace wde {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(DType, EveryBf16SurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const bf16 value{static_cast<uint16_t>(bits)};
    const float wide = to_f32(value);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(to_f32(to_bf16(wide)))) << bits;
    } else {
      ASSERT_EQ(to_bf16(wide).bits, value.bits);
    }
  }
}

// The value by its definition in IEEE 754, table 3.5.
double f16_by_definition(uint32_t bits) {
  const int exponent = static_cast<int>(bits >> 10 & 0x1f);
  const double mantissa = bits & 0x3ff;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

TEST(DType, EveryF16MeansWhatItShouldAndSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const f16 value{static_cast<uint16_t>(bits)};
    const float wide = to_f32(value);
    if ((bits & 0x7c00) == 0x7c00) {
      EXPECT_EQ(std::isnan(wide), (bits & 0x3ff) != 0) << bits;
      EXPECT_EQ(std::signbit(wide), (bits & 0x8000) != 0);
      EXPECT_EQ(std::isnan(to_f32(to_f16(wide))), std::isnan(wide));
      EXPECT_TRUE(std::isnan(wide) || to_f16(wide).bits == value.bits);
      continue;
    }
    ASSERT_EQ(wide, f16_by_definition(bits)) << bits;
    ASSERT_EQ(to_f16(wide).bits, value.bits);
  }
}

// Halfway between two neighbours goes to the even one; a hair beside it, to the nearer.
template <class Half, class Convert>
void check_rounding(uint32_t first, uint32_t last, Convert convert) {
  for (uint32_t bits = first; bits < last; ++bits) {
    const float low = to_f32(Half{static_cast<uint16_t>(bits)});
    const float high = to_f32(Half{static_cast<uint16_t>(bits + 1)});
    const auto middle = static_cast<float>((static_cast<double>(low) + high) / 2);
    ASSERT_EQ(convert(middle).bits, bits + (bits & 1)) << bits;
    ASSERT_EQ(convert(std::nextafter(middle, low)).bits, bits) << bits;
    ASSERT_EQ(convert(std::nextafter(middle, high)).bits, bits + 1) << bits;
    ASSERT_EQ(convert(-middle).bits, 0x8000 + bits + (bits & 1)) << bits;
  }
}

TEST(DType, RoundsToNearestEven) {
  check_rounding<bf16>(0, 0x7f7f, [](float value) { return to_bf16(value); });
  check_rounding<f16>(0, 0x7bff, [](float value) { return to_f16(value); });
}

TEST(DType, OverflowsToInfinityWhereRoundingDoes) {
  EXPECT_EQ(to_f16(65504.0f).bits, 0x7bff);
  EXPECT_EQ(to_f16(65519.996f).bits, 0x7bff);
  EXPECT_EQ(to_f16(65520.0f).bits, 0x7c00);
  EXPECT_EQ(to_f16(-1e30f).bits, 0xfc00);
  EXPECT_EQ(to_bf16(std::numeric_limits<float>::max()).bits, 0x7f80);
  EXPECT_EQ(to_bf16(-kInfinity).bits, 0xff80);
  EXPECT_EQ(to_f16(kInfinity).bits, 0x7c00);
}

TEST(DType, NanStaysNanEvenWhenItsPayloadIsLow) {
  const float low_payload = std::bit_cast<float>(0x7f800001u);
  for (const float nan : {kNan, -kNan, low_payload}) {
    EXPECT_TRUE(std::isnan(to_f32(to_bf16(nan))));
    EXPECT_TRUE(std::isnan(to_f32(to_f16(nan))));
    EXPECT_EQ(std::signbit(to_f32(to_bf16(nan))), std::signbit(nan));
  }
}

TEST(DType, TinyValuesRoundToSubnormalsOrSignedZero) {
  EXPECT_EQ(to_f16(0x1p-24f).bits, 1);
  EXPECT_EQ(to_f16(0x1p-25f).bits, 0);
  EXPECT_EQ(to_f16(0x1.8p-24f).bits, 2);
  EXPECT_EQ(to_f16(-0x1p-30f).bits, 0x8000);
  EXPECT_EQ(to_f16(0x1.ffcp-15f).bits, 0x3ff + 1);  // rounds up into the normal range
  EXPECT_EQ(to_bf16(-0.0f).bits, 0x8000);
}

TEST(DType, NamesReadBack) {
  for (const DType dtype :
       {DType::kF32, DType::kBF16, DType::kF16, DType::kI8, DType::kU8, DType::kI32, DType::kI64}) {
    EXPECT_EQ(parse_dtype(dtype_name(dtype)), dtype);
  }
  EXPECT_EQ(parse_dtype("bfloat16"), DType::kBF16);
  EXPECT_EQ(parse_dtype("float32"), DType::kF32);
  EXPECT_EQ(parse_dtype("F32"), std::nullopt);
  EXPECT_EQ(dtype_size_bytes(DType::kI64), 8u);
}

TEST(DType, ConvertsUnalignedElements) {
  const std::vector<float> values = {0, -1.5f, 3.25f, kInfinity};
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    std::vector<unsigned char> narrow(1 + values.size() * 4), back(1 + values.size() * 4);
    convert_elements(values.data(), DType::kF32, narrow.data() + 1, dtype, values.size());
    convert_elements(narrow.data() + 1, dtype, back.data() + 1, DType::kF32, values.size());
    EXPECT_EQ(std::memcmp(back.data() + 1, values.data(), values.size() * 4), 0);
  }
  EXPECT_DEATH(convert_elements(values.data(), DType::kI32, nullptr, DType::kF32, 1),
               "check failed");
}

}  // namespace
}  // namespace wde
