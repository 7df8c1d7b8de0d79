#include "checkpoint/packed_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/json.h"
#include "support/memory_weights.h"
#include "tensor/computed_rows.h"

namespace wde::checkpoint {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

void set_words(test::MemoryWeights& weights, const std::string& name, const Shape& shape,
               const std::vector<uint32_t>& words) {
  std::vector<float> values(words.size());
  std::memcpy(values.data(), words.data(), words.size() * 4);
  weights.set(name, shape, values);
  weights.set_dtype(name, DType::kI32);
}

// 8 outputs, 8 inputs in 2 groups: the code of (input k, output n) is (k + n) % 16.
std::shared_ptr<test::MemoryWeights> gptq_weights() {
  auto weights = std::make_shared<test::MemoryWeights>();
  std::vector<uint32_t> words(8, 0);
  for (uint32_t n = 0; n < 8; ++n)
    for (uint32_t k = 0; k < 8; ++k) words[n] |= (k + n) % 16 << 4 * k;
  set_words(*weights, "a.qweight", {1, 8}, words);
  // Zeros 1, 2, …, 8 of the first group, stored less one, and 1 of the second.
  set_words(*weights, "a.qzeros", {2, 1}, {0x76543210u, 0});
  std::vector<float> scales(16, 1);
  for (size_t n = 0; n < 8; ++n) scales[8 + n] = 0.5f;
  weights->set("a.scales", {2, 8}, scales);
  weights->set("a.bias", {8}, std::vector<float>(8, 3));
  weights->set("b.weight", {1}, {2});
  return weights;
}

json::object config(const std::string& quantization) {
  return json::parse("{\"quantization_config\":" + quantization + "}").value().as_object();
}

constexpr char kGptq[] = R"({"quant_method":"gptq","bits":4,"group_size":4})";

std::vector<float> row(const WeightSource& source, int64_t n) {
  const TensorView view = source.tensor("a.weight").value();
  std::vector<float> values(static_cast<size_t>(view.row_elements()));
  read_f32(view.slice_rows(n, 1), values.data());
  return values;
}

TEST(PackedWeights, GptqsCodesBecomeAMatrix) {
  auto weights = gptq_weights();
  const auto source = unpack_quantized(weights, config(kGptq));
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_THAT((*source)->names(), testing::UnorderedElementsAre("a.weight", "a.bias", "b.weight"));
  EXPECT_FALSE((*source)->has("a.scales"));
  EXPECT_EQ((*source)->tensor("a.qweight").status().code(), StatusCode::kNotFound);
  // Output 1: codes 1 … 8, zeros 2 and 1.
  EXPECT_THAT(row(**source, 1), ElementsAre(-1, 0, 1, 2, 2, 2.5f, 3, 3.5f));
  const auto layout = (*source)->tensor("a.weight")->computed->code_layout();
  ASSERT_TRUE(layout.has_value());
  EXPECT_EQ(layout->bits, 4);
  EXPECT_EQ(layout->groups, 2);
  EXPECT_FALSE(layout->zero_code.has_value());

  // Groups of inputs that are not neighbours.
  set_words(*weights, "a.g_idx", {8}, {1, 0, 1, 0, 1, 0, 1, 0});
  const auto shuffled = unpack_quantized(weights, config(kGptq)).value();
  EXPECT_THAT(row(*shuffled, 1), ElementsAre(0, 0, 1, 2, 2, 4, 3, 6));
  // Zeros as they are.
  weights->remove("a.g_idx");
  const auto v2 = unpack_quantized(
      weights,
      config(R"({"quant_method":"gptq","bits":4,"group_size":4,"checkpoint_format":"gptq_v2"})"));
  EXPECT_THAT(row(**v2, 1), ElementsAre(0, 1, 2, 3, 2.5f, 3, 3.5f, 4));
}

TEST(PackedWeights, AwqsOrder) {
  auto weights = std::make_shared<test::MemoryWeights>();
  // 8 outputs, 2 inputs: output n's code is n and 15 - n; AutoAWQ's order is 0 2 4 6 1 3 5 7.
  set_words(*weights, "a.qweight", {2, 1}, {0x75316420u, 0x8ace9bdfu});
  set_words(*weights, "a.qzeros", {1, 1}, {0x88888888u});
  weights->set("a.scales", {1, 8}, std::vector<float>(8, 2));
  const auto source =
      unpack_quantized(weights, config(R"({"quant_method":"awq","bits":4,"group_size":2})"));
  ASSERT_TRUE(source.ok()) << source.status().message();
  for (int n = 0; n < 8; ++n)
    EXPECT_THAT(row(**source, n), ElementsAre(2 * (n - 8), 2 * (7 - n))) << n;
  EXPECT_EQ((*source)->tensor("a.weight")->computed->code_layout()->zero_code, 8);
}

TEST(PackedWeights, WithoutTheConfigNothingHappens) {
  const auto weights = gptq_weights();
  EXPECT_EQ(unpack_quantized(weights, {}).value(), weights);
}

TEST(PackedWeights, WhatIsNotReadIsRefusedByItsField) {
  const auto refusal = [](const std::string& quantization) {
    return unpack_quantized(gptq_weights(), config(quantization)).status().message();
  };
  EXPECT_THAT(refusal(R"({"quant_method":"fp8"})"),
              AllOf(HasSubstr("quantization_config"), HasSubstr("fp8"), HasSubstr("gptq, awq")));
  EXPECT_THAT(refusal(R"({"quant_method":"gptq","bits":3})"), HasSubstr("\"bits\": 3"));
  EXPECT_THAT(refusal(R"({"quant_method":"awq","bits":8})"), HasSubstr("\"bits\": 8"));
  EXPECT_THAT(refusal(R"({"quant_method":"awq","bits":4,"version":"gemv"})"), HasSubstr("gemv"));
  EXPECT_THAT(refusal(R"({"quant_method":"awq","bits":4,"zero_point":false})"),
              HasSubstr("zero_point"));
  EXPECT_THAT(refusal(R"({"quant_method":"gptq","bits":4,"checkpoint_format":"marlin"})"),
              HasSubstr("marlin"));
  EXPECT_THAT(refusal(R"({"quant_method":"gptq","bits":4,"dynamic":{"x":{"bits":8}}})"),
              HasSubstr("dynamic"));
  EXPECT_THAT(refusal(R"({"quant_method":"gptq","bits":4,"group_size":0})"),
              HasSubstr("group_size"));
}

TEST(PackedWeights, TensorsThatDoNotFitAreRefusedByName) {
  const auto refusal = [](const std::shared_ptr<test::MemoryWeights>& weights) {
    return unpack_quantized(weights, config(kGptq)).status().message();
  };
  auto weights = gptq_weights();
  weights->remove("a.qzeros");
  EXPECT_THAT(refusal(weights), HasSubstr("a.qzeros"));
  weights = gptq_weights();
  weights->set("a.scales", {1, 8}, std::vector<float>(8));
  EXPECT_THAT(refusal(weights), AllOf(HasSubstr("a.scales"), HasSubstr("[2, 8]")));
  weights = gptq_weights();
  set_words(*weights, "a.qzeros", {2, 2}, {0, 0, 0, 0});
  EXPECT_THAT(refusal(weights), AllOf(HasSubstr("a.qzeros"), HasSubstr("[2, 1]")));
  weights = gptq_weights();
  weights->set_dtype("a.qweight", DType::kF32);
  EXPECT_THAT(refusal(weights), AllOf(HasSubstr("a.qweight"), HasSubstr("i32")));
  weights = gptq_weights();
  set_words(*weights, "a.g_idx", {8}, {0, 0, 0, 0, 1, 1, 1, 2});
  EXPECT_THAT(refusal(weights), AllOf(HasSubstr("a.g_idx"), HasSubstr("group 2 of 2")));
  set_words(*weights, "a.g_idx", {7}, {0, 0, 0, 0, 1, 1, 1});
  EXPECT_THAT(refusal(weights), AllOf(HasSubstr("a.g_idx"), HasSubstr("[8]")));
}

}  // namespace
}  // namespace wde::checkpoint
