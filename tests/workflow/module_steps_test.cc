// Which modules of modules.json a head computes, and which are refused.
#include "workflow/module_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wde::workflow {
namespace {

using checkpoint::DenseModule;
using checkpoint::LayerNormModule;
using checkpoint::Module;
using checkpoint::NormalizeModule;
using testing::HasSubstr;
using testing::SizeIs;

DenseModule dense(std::optional<bool> token_level) {
  return {.in_features = 3, .out_features = 2, .activation = "Tanh", .token_level = token_level};
}

TEST(ModuleSteps, InTheirOrderWithEveryField) {
  DenseModule second = dense(true);
  second.residual = true;
  second.bias = false;
  const std::vector<Module> modules = {NormalizeModule{.token_level = true}, dense(std::nullopt),
                                       second};
  const auto steps = read_steps(modules, Features::kTokens);
  ASSERT_TRUE(steps.ok()) << steps.status().message();
  ASSERT_THAT(*steps, SizeIs(3));
  EXPECT_TRUE(std::holds_alternative<heads::NormalizeStep>((*steps)[0]));
  const auto& first = std::get<heads::DenseStep>((*steps)[1]);
  EXPECT_EQ(first.in_features, 3);
  EXPECT_EQ(first.out_features, 2);
  EXPECT_EQ(first.activation, ops::Activation::kTanh);
  EXPECT_TRUE(first.bias);
  EXPECT_FALSE(first.residual);
  const auto& last = std::get<heads::DenseStep>((*steps)[2]);
  EXPECT_FALSE(last.bias);
  EXPECT_TRUE(last.residual);
}

TEST(ModuleSteps, WhatChangesNothingAboutTokensIsLeftOut) {
  const std::vector<Module> modules = {checkpoint::MultiVectorMaskModule{}, NormalizeModule{}};
  EXPECT_THAT(*read_steps(modules, Features::kTokens), SizeIs(0));
}

TEST(ModuleSteps, WhatHasNoMeaningIsRefusedByName) {
  const struct {
    Module module;
    Features features;
    std::string said;
  } cases[] = {
      {LayerNormModule{}, Features::kTokens, "a LayerNorm in a multi-vector model"},
      {dense(false), Features::kTokens, "a Dense of sentence_embedding in a multi-vector model"},
      {checkpoint::PoolingModule{}, Features::kTokens, "a Pooling in a multi-vector model"},
      {checkpoint::SpladePoolingModule{}, Features::kTokens, "a SpladePooling in a multi-vector"},
      {checkpoint::LogitScoreModule{}, Features::kTokens, "a LogitScore in a multi-vector model"},
      {dense(true), Features::kPooled, "a Dense of token_embeddings after the Pooling"},
      {NormalizeModule{.token_level = true}, Features::kPooled,
       "a Normalize of token_embeddings after the Pooling"},
      {checkpoint::PoolingModule{}, Features::kPooled, "a Pooling after the Pooling"},
      {checkpoint::MultiVectorMaskModule{}, Features::kPooled, "a MultiVectorMask after the"},
  };
  for (const auto& wrong : cases) {
    const Status status = read_steps(std::span(&wrong.module, 1), wrong.features).status();
    EXPECT_EQ(status.code(), StatusCode::kUnsupported) << wrong.said;
    EXPECT_THAT(status.message(), HasSubstr("modules.json: " + wrong.said));
  }
}

}  // namespace
}  // namespace wde::workflow
