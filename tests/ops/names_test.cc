#include <gtest/gtest.h>

#include "ops/ops.h"
#include "ops/registry.h"

namespace wde::ops {
namespace {

TEST(Names, ActivationsAsConfigurationsSpellThem) {
  EXPECT_EQ(parse_activation("gelu").value(), Activation::kGeluErf);
  EXPECT_EQ(parse_activation("gelu_new").value(), Activation::kGeluTanh);
  EXPECT_EQ(parse_activation("gelu_pytorch_tanh").value(), Activation::kGeluTanh);
  EXPECT_EQ(parse_activation("relu").value(), Activation::kRelu);
  EXPECT_EQ(parse_activation("silu").value(), Activation::kSilu);
  EXPECT_EQ(parse_activation("swish").value(), Activation::kSilu);
  EXPECT_EQ(parse_activation("torch.nn.modules.activation.Tanh").value(), Activation::kTanh);
  EXPECT_EQ(parse_activation("torch.nn.modules.linear.Identity").value(), Activation::kNone);
}

TEST(Names, UnknownActivationIsNamedWithTheKnown) {
  const Status status = parse_activation("mish").status();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_NE(status.message().find("mish"), std::string::npos);
  EXPECT_NE(status.message().find("gelu_new"), std::string::npos);
  EXPECT_FALSE(parse_activation("").ok());
  EXPECT_FALSE(parse_activation("torch.nn.").ok());
}

TEST(Names, PoolingsRoundTrip) {
  for (const Pooling pooling : {Pooling::kMean, Pooling::kCls, Pooling::kMax, Pooling::kLast,
                                Pooling::kMeanSqrtLen, Pooling::kWeightedMean}) {
    EXPECT_EQ(parse_pooling(pooling_name(pooling)).value(), pooling);
  }
  EXPECT_EQ(parse_pooling("lasttoken").value(), Pooling::kLast);
  EXPECT_EQ(parse_pooling("last-token").value(), Pooling::kLast);
  EXPECT_EQ(parse_pooling("mean_sqrt_len_tokens").value(), Pooling::kMeanSqrtLen);
  EXPECT_EQ(parse_pooling("average").status().code(), StatusCode::kInvalidArgument);
}

TEST(Registry, BestTableFirstAndReferenceLast) {
  const auto tables = op_tables();
  ASSERT_GE(tables.size(), 10u);
  EXPECT_EQ(tables.front().name, "avx512_bf16");
  EXPECT_EQ(tables.back().name, "reference");
  for (const OpTableEntry& entry : tables) {
    if (!entry.refusal().empty()) continue;
    EXPECT_EQ(entry.table().name, entry.name);
    EXPECT_EQ(entry.table().device_kind, entry.device_kind);
  }
}

TEST(Registry, ForcedTableIsTakenOrRefusedWithTheReason) {
  EXPECT_EQ(choose_op_table("cpu", "portable").value()->name, "portable");
  EXPECT_EQ(choose_op_table("emulated").value()->name, "reference");
  for (const OpTableEntry& entry : op_tables()) {
    const auto chosen = choose_op_table(entry.device_kind, entry.name);
    EXPECT_EQ(chosen.ok(), entry.refusal().empty());
    if (chosen.ok()) continue;
    EXPECT_EQ(chosen.status().code(), StatusCode::kUnsupported);
  }
}

TEST(Registry, UnknownNamesFail) {
  const Status isa = choose_op_table("cpu", "avx1024").status();
  EXPECT_EQ(isa.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(isa.message().find("avx512, avx2, neon_bf16, neon_dot, neon, portable, reference"),
            std::string::npos);
  EXPECT_EQ(choose_op_table("abacus").status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace wde::ops
