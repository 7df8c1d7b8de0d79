// Matrices that are computed as one product, or as several where their codes differ: the same
// numbers, in the memory that the codes take.
#include "layers/stacked_linear.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <vector>

#include "ops/registry.h"
#include "tensor/computed_rows.h"
#include "tensor/device_registry.h"

namespace wde::layers {
namespace {

constexpr int64_t kInputs = 64, kTokens = 7;

// Codes of a seed, with scales that make numbers of about one.
class SeededCodes final : public CodedRows {
 public:
  SeededCodes(int64_t rows, int bits, int64_t group_size, int seed)
      : CodedRows(Shape{rows, kInputs}, {.bits = bits,
                                         .groups = kInputs / group_size,
                                         .group_size = group_size,
                                         .zero_code = 1 << (bits - 1),
                                         .group_of = {}}),
        seed_(seed) {}

  void read_codes(int64_t row, uint8_t* codes, float* scales, float*) const override {
    const CodeLayout layout = *code_layout();
    for (int64_t k = 0; k < kInputs; ++k)
      codes[k] = static_cast<uint8_t>((row * 37 + k * 11 + seed_) % (1 << layout.bits));
    for (int64_t g = 0; g < layout.groups; ++g)
      scales[g] = static_cast<float>(g + 1) / static_cast<float>(1 << layout.bits);
  }

 private:
  int seed_;
};

class StackedLinearTest : public testing::Test {
 protected:
  LoadContext context(ops::WeightFormat format = ops::WeightFormat::kDType) {
    return {.device = device_, .ops = table_, .weights = format, .store = &store_};
  }
  // y of a layer for the same x.
  template <class Layer>
  std::vector<float> run(const Layer& layer) {
    std::vector<float> x(kTokens * kInputs), y(static_cast<size_t>(kTokens * layer.outputs()));
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 13) - 6;
    const Storage memory = device_->allocate(size_t{1} << 20).value();
    Arena arena(memory.data(), memory.size_bytes());
    ops::OpContext op_context{.stream = *stream_, .ops = table_, .arena = arena};
    layer.forward(op_context, TensorView::contiguous(x.data(), DType::kF32, {kTokens, kInputs}),
                  TensorView::contiguous(y.data(), DType::kF32, {kTokens, layer.outputs()}));
    return y;
  }

  std::shared_ptr<Device> device_ = create_device("cpu").value();
  const ops::OpTable& table_ = *ops::choose_op_table("cpu").value();
  std::unique_ptr<Stream> stream_ = device_->create_stream();
  ParameterStore store_;
  const SeededCodes query_{64, 4, 32, 1}, key_{32, 4, 32, 2}, value_{32, 8, 16, 3};
};

TEST_F(StackedLinearTest, CodesOfSeveralLayoutsStayCodes) {
  const std::array weights = {query_.view(), key_.view(), value_.view()};
  std::vector<float> biases(128, 0.25f);
  const std::array bias = {TensorView::contiguous(biases.data(), DType::kF32, {64}),
                           TensorView::contiguous(biases.data(), DType::kF32, {32}),
                           TensorView::contiguous(biases.data(), DType::kF32, {32})};
  LoadContext loading = context();
  const auto stacked = StackedLinear::load(loading, weights, bias);
  ASSERT_TRUE(stacked.ok()) << stacked.status().message();
  EXPECT_EQ(stacked->products(), 2u);
  EXPECT_EQ(stacked->outputs(), 128);
  // 96 rows of 4 bits with 2 scales, 32 of 8 with 4; f32 would be 32 KiB.
  const size_t codes = 96 * (kInputs / 2 + 2 * 4) + 32 * (kInputs + 4 * 4) + 128 * 4;
  EXPECT_NEAR(static_cast<double>(loading.weight_bytes), static_cast<double>(codes), 1024);

  LoadContext planning = context();
  planning.planning = true;
  ASSERT_TRUE(StackedLinear::load(planning, weights, bias).ok());
  EXPECT_EQ(planning.weight_bytes, codes);

  // Each part by itself.
  const std::vector<float> all = run(*stacked);
  int64_t column = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const Linear alone = Linear::load(loading, weights[i], bias[i]).value();
    const std::vector<float> expected = run(alone);
    for (int64_t t = 0; t < kTokens; ++t) {
      for (int64_t n = 0; n < alone.outputs(); ++n) {
        EXPECT_EQ(all[static_cast<size_t>(t * 128 + column + n)],
                  expected[static_cast<size_t>(t * alone.outputs() + n)]);
      }
    }
    column += alone.outputs();
  }
}

TEST_F(StackedLinearTest, WhatIsPackedAlikeIsOneProduct) {
  const std::array none = {TensorView(), TensorView(), TensorView()};
  LoadContext loading = context();
  EXPECT_EQ(StackedLinear::load(loading, std::array{query_.view(), key_.view()},
                                std::array{TensorView(), TensorView()})
                ->products(),
            1u);
  std::vector<float> numbers(static_cast<size_t>(16 * kInputs), 0.5f);
  const TensorView plain = TensorView::contiguous(numbers.data(), DType::kF32, {16, kInputs});
  EXPECT_EQ(StackedLinear::load(loading, std::array{plain, plain, plain}, none)->products(), 1u);
  EXPECT_EQ(StackedLinear::load(loading, std::array{plain, query_.view(), plain}, none)->products(),
            3u);
  // int8 packs everything anew.
  LoadContext int8 = context(ops::WeightFormat::kInt8);
  EXPECT_EQ(StackedLinear::load(int8, std::array{query_.view(), key_.view(), value_.view()}, none)
                ->products(),
            1u);
}

}  // namespace
}  // namespace wde::layers
