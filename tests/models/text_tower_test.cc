// What CLIP's and SigLIP's config.json mean: texts' own fields, class defaults, and how a vector is
// made. The numbers that come out are the engine's goldens'.
#include "models/text_tower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/registry.h"

namespace wde::models {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Result<ModelTraits> traits_of(const char* architecture, const char* config) {
  return find_model(architecture)->traits(json::parse(config).value().as_object());
}

TEST(TextTower, AnEmptyConfigMeansItsClassesDefaults) {
  const auto clip = traits_of("CLIPTextModel", "{}");
  ASSERT_TRUE(clip.ok()) << clip.status().message();
  EXPECT_EQ(clip->hidden_size, 512);
  EXPECT_EQ(clip->vocab_size, 49408);
  EXPECT_EQ(clip->max_length, 77);
  EXPECT_EQ(clip->padded_length, 0);
  EXPECT_EQ(clip->vector.pooling, ops::Pooling::kMarked);
  EXPECT_EQ(clip->vector.marker, 49407);
  EXPECT_THAT(clip->vector.projections, IsEmpty());
  const auto siglip = traits_of("SiglipModel", R"({"text_config": {}})");
  ASSERT_TRUE(siglip.ok()) << siglip.status().message();
  EXPECT_EQ(siglip->hidden_size, 768);
  EXPECT_EQ(siglip->max_length, 64);
  EXPECT_EQ(siglip->padded_length, 64);
  EXPECT_EQ(siglip->vector.pooling, ops::Pooling::kLast);
  EXPECT_EQ(siglip->vector.size, 768);
  EXPECT_TRUE(siglip->vector.bias);
  EXPECT_THAT(siglip->vector.projections, ElementsAre("text_model.head", "head"));
}

TEST(TextTower, AWholeModelsTextHasFieldsOfItsOwn) {
  const auto clip = traits_of("CLIPModel", R"({"projection_dim": 10, "hidden_size": 7,
      "text_config": {"hidden_size": 24, "num_attention_heads": 3, "projection_dim": 99}})");
  ASSERT_TRUE(clip.ok()) << clip.status().message();
  EXPECT_EQ(clip->hidden_size, 24);
  EXPECT_EQ(clip->vector.size, 10);
  EXPECT_FALSE(clip->vector.bias);
}

TEST(TextTower, EndOfTextIsTheLargestIdWhereOldConfigsSayTwo) {
  const auto clip = traits_of("CLIPTextModel", R"({"eos_token_id": 2})");
  ASSERT_TRUE(clip.ok()) << clip.status().message();
  EXPECT_EQ(clip->vector.marker, ops::kLargestId);
}

TEST(TextTower, WhatIsNotImplementedIsRefusedByItsName) {
  for (const char* architecture : {"CLIPTextModel", "SiglipTextModel"}) {
    const Status act = traits_of(architecture, R"({"hidden_act": "mish"})").status();
    EXPECT_EQ(act.code(), StatusCode::kUnsupported);
    EXPECT_THAT(act.message(), HasSubstr("hidden_act"));
    const Status heads = traits_of(architecture, R"({"num_attention_heads": 7})").status();
    EXPECT_EQ(heads.code(), StatusCode::kDataLoss);
    EXPECT_THAT(heads.message(), HasSubstr("num_attention_heads"));
  }
  EXPECT_FALSE(traits_of("CLIPModel", R"({"text_config": {"hidden_size": 0}})").ok());
  EXPECT_FALSE(traits_of("CLIPModel", R"({"text_config": 3})").ok());
}

}  // namespace
}  // namespace wde::models
