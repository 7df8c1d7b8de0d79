// The vector functions of every instruction set against libm, over dense samples of their range.
#include "ops/cpu/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/vector_math_test.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/activation-inl.h"
#include "ops/cpu/vector_math-inl.h"

#ifndef WDE_TESTS_OPS_VECTOR_MATH_FUNCTIONS
#define WDE_TESTS_OPS_VECTOR_MATH_FUNCTIONS
#include <cstddef>
#include <string_view>

namespace wde::ops::test {

// The functions under test, over arrays whose length is a multiple of 16.
struct VectorFunctions {
  std::string_view isa;
  void (*exp)(const float* x, float* y, size_t count);
  void (*activate)(Activation activation, const float* x, float* y, size_t count);
  // GELU as exactly as bf16, and bytes of a row's range, can tell.
  void (*gelu_of_bf16)(const float* x, float* y, size_t count);
  void (*gelu_of_bytes)(const float* x, float* y, size_t count);
  void (*round)(const float* x, bf16* y, size_t count);
  // Copies `count` elements, at most one vector, through a partial load and a partial store.
  void (*copy_some)(const float* x, float* y, size_t count);
  void (*round_some)(const bf16* x, bf16* y, size_t count);
  size_t lanes;
};

}  // namespace wde::ops::test
#endif

HWY_BEFORE_NAMESPACE();
namespace wde::ops {
namespace HWY_NAMESPACE {
namespace {

using D = hn::ScalableTag<float>;
constexpr size_t kStep = HWY_LANES(float);

void exp_all(const float* x, float* y, size_t count) {
  const D d;
  for (size_t i = 0; i < count; i += kStep) StoreF32(Exp(d, LoadF32(d, x + i)), d, y + i);
}

void activate_all(Activation activation, const float* x, float* y, size_t count) {
  const D d;
  for (size_t i = 0; i < count; i += kStep)
    StoreF32(Activate(d, activation, LoadF32(d, x + i)), d, y + i);
}

template <class Exactness>
void gelu_all(const float* x, float* y, size_t count) {
  const D d;
  for (size_t i = 0; i < count; i += kStep) {
    hn::Vec<D> v[1] = {LoadF32(d, x + i)};
    ActivateAs<Exactness>(Activation::kGeluErf, v);
    StoreF32(v[0], d, y + i);
  }
}

void round_all(const float* x, bf16* y, size_t count) {
  const D d;
  for (size_t i = 0; i < count; i += kStep) StoreF32(LoadF32(d, x + i), d, y + i);
}

void copy_some(const float* x, float* y, size_t count) {
  const D d;
  StoreF32N(LoadF32N(d, x, count), d, y, count);
}

void round_some(const bf16* x, bf16* y, size_t count) {
  const D d;
  StoreF32N(LoadF32N(d, x, count), d, y, count);
}

}  // namespace

test::VectorFunctions vector_functions(std::string_view isa) {
  return {.isa = isa,
          .exp = exp_all,
          .activate = activate_all,
          .gelu_of_bf16 = gelu_all<bf16>,
          .gelu_of_bytes = gelu_all<int8_t>,
          .round = round_all,
          .copy_some = copy_some,
          .round_some = round_some,
          .lanes = kStep};
}

}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "ops/registry.h"

namespace wde::ops::test {
namespace {

// Its instruction for rounding to bf16 takes subnormals for zeros.
constexpr std::string_view kFlushing = "avx512_bf16";

std::vector<VectorFunctions> all_functions() {
  std::vector<VectorFunctions> functions = {WDE_HWY_PORTABLE::vector_functions("portable")};
#if HWY_TARGETS & HWY_AVX2
  if (choose_op_table("cpu", "avx2").ok()) functions.push_back(N_AVX2::vector_functions("avx2"));
#endif
#if HWY_TARGETS & HWY_AVX3
  if (choose_op_table("cpu", "avx512").ok())
    functions.push_back(N_AVX3::vector_functions("avx512"));
#endif
#if HWY_TARGETS & HWY_NEON
  functions.push_back(N_NEON::vector_functions("neon"));
#endif
#if HWY_TARGETS & HWY_AVX3_DL
  if (choose_op_table("cpu", kFlushing).ok())
    functions.push_back(N_AVX3_DL::vector_functions(kFlushing));
#endif
  return functions;
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> samples(double from, double to) {
  std::vector<float> x(1 << 18);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(from +
                              (to - from) * static_cast<double>(i) / static_cast<double>(x.size()));
  }
  return x;
}

TEST(VectorMath, ExpIsGoodToOneUlp) {
  const std::vector<float> x = samples(-87.3, 88.3);
  std::vector<float> y(x.size());
  for (const VectorFunctions& functions : all_functions()) {
    functions.exp(x.data(), y.data(), x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      const double expected = std::exp(static_cast<double>(x[i]));
      ASSERT_LE(std::abs(y[i] - expected), 1.3e-7 * expected) << functions.isa << " " << x[i];
    }
  }
}

TEST(VectorMath, ExpAtTheEnds) {
  const std::vector<float> x = {kInfinity, -kInfinity, kNan, 0, -0.0f, 89, -88, 1e30f,
                                -1e30f,    1e-40f,     1,    1, 1,     1,  1,   1};
  for (const VectorFunctions& functions : all_functions()) {
    std::vector<float> y(x.size());
    functions.exp(x.data(), y.data(), x.size());
    EXPECT_EQ(y[0], kInfinity);
    EXPECT_EQ(y[1], 0);
    EXPECT_TRUE(std::isnan(y[2]));
    EXPECT_EQ(y[3], 1);
    EXPECT_EQ(y[4], 1);
    EXPECT_EQ(y[5], kInfinity);
    EXPECT_EQ(y[6], 0);
    EXPECT_EQ(y[7], kInfinity);
    EXPECT_EQ(y[8], 0);
    EXPECT_EQ(y[9], 1);
  }
}

double oracle(Activation activation, double x) {
  switch (activation) {
    case Activation::kGeluErf:
      return x / 2 * std::erfc(-x / std::numbers::sqrt2);
    case Activation::kGeluTanh:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case Activation::kQuickGelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::kRelu:
      return std::max(x, 0.0);
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::kNone:
      break;
  }
  return x;
}

constexpr Activation kActivations[] = {
    Activation::kNone, Activation::kGeluErf, Activation::kGeluTanh, Activation::kQuickGelu,
    Activation::kRelu, Activation::kSilu,    Activation::kTanh,     Activation::kSigmoid};

TEST(VectorMath, ActivationsAreGoodToFp32Rounding) {
  const std::vector<float> x = samples(-20, 20);
  std::vector<float> y(x.size());
  for (const VectorFunctions& functions : all_functions()) {
    for (const Activation activation : kActivations) {
      functions.activate(activation, x.data(), y.data(), x.size());
      for (size_t i = 0; i < x.size(); ++i) {
        const double allowed = 1.5e-7 * std::max(1.0, std::abs(static_cast<double>(x[i])));
        ASSERT_NEAR(y[i], oracle(activation, x[i]), allowed)
            << functions.isa << " " << activation_name(activation) << " " << x[i];
      }
    }
  }
}

TEST(VectorMath, GeluIsAsExactAsItsResultCanTell) {
  const std::vector<float> x = samples(-20, 20);
  std::vector<float> y(x.size());
  for (const VectorFunctions& functions : all_functions()) {
    functions.gelu_of_bf16(x.data(), y.data(), x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      const double expected = oracle(Activation::kGeluErf, x[i]);
      const double allowed = std::abs(x[i]) < 5 ? 3e-4 * std::abs(expected) : 2e-6;
      ASSERT_NEAR(y[i], expected, allowed) << functions.isa << " " << x[i];
    }
    functions.gelu_of_bytes(x.data(), y.data(), x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_NEAR(y[i], oracle(Activation::kGeluErf, x[i]), 4e-4) << functions.isa << " " << x[i];
    }
  }
}

TEST(VectorMath, NanStaysNanThroughEveryActivation) {
  const std::vector<float> x(16, kNan);
  for (const VectorFunctions& functions : all_functions()) {
    for (const Activation activation : kActivations) {
      std::vector<float> y(x.size());
      functions.activate(activation, x.data(), y.data(), x.size());
      for (const float value : y)
        EXPECT_TRUE(std::isnan(value)) << functions.isa << " " << activation_name(activation);
    }
    for (const auto gelu : {functions.gelu_of_bf16, functions.gelu_of_bytes}) {
      std::vector<float> y(x.size());
      gelu(x.data(), y.data(), x.size());
      for (const float value : y) EXPECT_TRUE(std::isnan(value)) << functions.isa;
    }
  }
}

TEST(VectorMath, Bf16RoundsAsTheScalarDoes) {
  // Every exponent and the low bits that decide ties, NaN and infinities among them.
  std::vector<float> x;
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += 0x1fff)
    x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  for (uint32_t upper = 0; upper < 0x10000; upper += 7) {
    for (const uint32_t lower : {0x7fffu, 0x8000u, 0x8001u})
      x.push_back(std::bit_cast<float>(upper << 16 | lower));
  }
  x.resize((x.size() + 15) / 16 * 16);
  for (const VectorFunctions& functions : all_functions()) {
    std::vector<bf16> y(x.size());
    functions.round(x.data(), y.data(), x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      const bool flushed = functions.isa == kFlushing && std::fpclassify(x[i]) == FP_SUBNORMAL;
      ASSERT_EQ(y[i].bits, to_bf16(flushed ? std::copysign(0.0f, x[i]) : x[i]).bits)
          << functions.isa << " " << std::bit_cast<uint32_t>(x[i]);
    }
  }
}

TEST(VectorMath, PartialVectorsTouchNothingBeyondTheirCount) {
  for (const VectorFunctions& functions : all_functions()) {
    for (size_t count = 0; count <= functions.lanes; ++count) {
      // Exactly `count` elements, so that a sanitizer sees a read too far.
      std::vector<float> x(count, 3.0f);
      std::vector<float> y(functions.lanes + 1, -1.0f);
      functions.copy_some(x.data(), y.data(), count);
      std::vector<bf16> x16(count, to_bf16(3.0f));
      std::vector<bf16> y16(functions.lanes + 1, to_bf16(-1.0f));
      functions.round_some(x16.data(), y16.data(), count);
      for (size_t i = 0; i < y.size(); ++i) {
        EXPECT_EQ(y[i], i < count ? 3.0f : -1.0f);
        EXPECT_EQ(to_f32(y16[i]), i < count ? 3.0f : -1.0f);
      }
    }
  }
}

}  // namespace
}  // namespace wde::ops::test
#endif
