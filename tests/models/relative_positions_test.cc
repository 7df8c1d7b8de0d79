// Relative positions: what DeBERTa's and T5's config.json must hold, what is refused by its name,
// and which bucket a distance falls into. The numbers that come out are the engine's goldens'.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layers/disentangled_positions.h"
#include "layers/relative_buckets.h"
#include "models/registry.h"

namespace wde::models {
namespace {

using testing::HasSubstr;

json::object parse(const char* text) { return json::parse(text).value().as_object(); }

json::object deberta() {
  return parse(R"({"num_hidden_layers": 2, "hidden_size": 24, "intermediate_size": 37,
      "num_attention_heads": 3, "vocab_size": 70, "max_position_embeddings": 50,
      "relative_attention": true, "position_buckets": 8, "pos_att_type": "P2C | c2p",
      "norm_rel_ebd": "layer_norm", "share_att_key": true})");
}

json::object t5() {
  return parse(R"({"num_layers": 2, "d_model": 24, "d_ff": 37, "num_heads": 3, "d_kv": 5,
      "vocab_size": 70})");
}

Status status_with(const char* architecture, json::object config, const char* key,
                   const char* value) {
  config[key] = json::parse(value).value();
  return find_model(architecture)->traits(config).status();
}

void expect_refused(const char* architecture, const json::object& config, const char* key,
                    const char* value, StatusCode code) {
  SCOPED_TRACE(std::string(key) + ": " + value);
  const Status status = status_with(architecture, config, key, value);
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_THAT(status.message(), HasSubstr(key));
}

TEST(Deberta, HasNoTokenTypesUnlessItSaysSo) {
  const auto traits = find_model("DebertaV2Model")->traits(deberta());
  ASSERT_TRUE(traits.ok()) << traits.status().message();
  EXPECT_EQ(traits->type_vocab_size, 0);
  EXPECT_EQ(traits->max_length, 50);
}

TEST(Deberta, WhatIsNotImplementedIsRefusedByItsName) {
  const json::object config = deberta();
  const auto refused = [&](const char* key, const char* value,
                           StatusCode code = StatusCode::kUnsupported) {
    expect_refused("DebertaV2Model", config, key, value, code);
  };
  refused("conv_kernel_size", "3");
  refused("attention_head_size", "16");
  refused("pos_att_type", "\"c2p|p2p\"");
  refused("pos_att_type", "[\"p2p\"]");
  refused("pos_att_type", "[1]", StatusCode::kDataLoss);
  refused("norm_rel_ebd", "\"rms_norm\"");
  refused("position_buckets", "2", StatusCode::kDataLoss);
  refused("position_buckets", "200", StatusCode::kDataLoss);
  refused("max_relative_positions", "1e30", StatusCode::kDataLoss);
  refused("embedding_size", "0", StatusCode::kDataLoss);
  refused("is_decoder", "true");
  EXPECT_TRUE(status_with("DebertaV2Model", config, "pos_att_type", "null").ok());
  EXPECT_TRUE(status_with("DebertaV2Model", config, "position_buckets", "-1").ok());
}

TEST(Deberta, NearDistancesHaveARowEachFarOnesShareThem) {
  const layers::DistanceRows rows{.span = 8, .buckets = 8, .max_distance = 50};
  for (int64_t distance = -4; distance <= 4; ++distance)
    EXPECT_EQ(layers::distance_row(rows, distance), 8 + distance);
  EXPECT_EQ(layers::distance_row(rows, 5), 13);
  EXPECT_EQ(layers::distance_row(rows, -5), 3);
  EXPECT_EQ(layers::distance_row(rows, 49), 15);
  EXPECT_EQ(layers::distance_row(rows, 1000), 15);
  EXPECT_EQ(layers::distance_row(rows, -1000), 0);
  const layers::DistanceRows each{.span = 20, .buckets = 0, .max_distance = 20};
  EXPECT_EQ(layers::distance_row(each, 19), 39);
  EXPECT_EQ(layers::distance_row(each, 20), 39);
  EXPECT_EQ(layers::distance_row(each, -20), 0);
}

TEST(T5, HasNoLongestTextButAUsualOne) {
  const auto traits = find_model("T5EncoderModel")->traits(t5());
  ASSERT_TRUE(traits.ok()) << traits.status().message();
  EXPECT_EQ(traits->usual_length, 512);
  EXPECT_GT(traits->max_length, 100000);
  EXPECT_EQ(traits->type_vocab_size, 0);
}

TEST(T5, WhatIsNotImplementedIsRefusedByItsName) {
  const auto refused = [&](const char* key, const char* value,
                           StatusCode code = StatusCode::kUnsupported) {
    expect_refused("T5EncoderModel", t5(), key, value, code);
  };
  refused("feed_forward_proj", "\"gated-mish\"");
  refused("feed_forward_proj", "\"glu-gelu\"");
  refused("relative_attention_num_buckets", "7");
  refused("relative_attention_num_buckets", "2", StatusCode::kDataLoss);
  refused("relative_attention_max_distance", "8", StatusCode::kDataLoss);
  refused("d_kv", "0", StatusCode::kDataLoss);
  refused("is_decoder", "true");
}

TEST(T5, BucketsGrowWithTheLogarithm) {
  const layers::RelativeBuckets buckets;
  EXPECT_EQ(layers::relative_bucket(buckets, 0), 0);
  EXPECT_EQ(layers::relative_bucket(buckets, 7), 7);
  EXPECT_EQ(layers::relative_bucket(buckets, 8), 8);
  EXPECT_EQ(layers::relative_bucket(buckets, 16), 10);
  EXPECT_EQ(layers::relative_bucket(buckets, 127), 15);
  EXPECT_EQ(layers::relative_bucket(buckets, 100000), 15);
  EXPECT_EQ(layers::relative_bucket(buckets, -1), 17);
  EXPECT_EQ(layers::relative_bucket(buckets, -100000), 31);
}

TEST(MPNet, OtherBucketsThanTransformersComputesAreRefused) {
  json::object config = deberta();
  config["relative_attention_num_buckets"] = 32;
  EXPECT_TRUE(find_model("MPNetModel")->traits(config).ok());
  expect_refused("MPNetModel", config, "relative_attention_num_buckets", "64",
                 StatusCode::kUnsupported);
}

}  // namespace
}  // namespace wde::models
