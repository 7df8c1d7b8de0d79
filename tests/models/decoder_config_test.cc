// What the configs of decoders may say, and what is said where they do not. The numbers that come
// out are the engine's goldens'.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "models/decoder_config.h"
#include "models/decoder_mask.h"
#include "models/gpt2.h"
#include "models/registry.h"

namespace wde::models {
namespace {

using attention::MaskKind;
using testing::ElementsAre;
using testing::HasSubstr;

json::object parse(const char* text) { return json::parse(text).value().as_object(); }

json::object common() {
  return parse(R"({"num_hidden_layers": 4, "hidden_size": 24, "intermediate_size": 6,
      "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 7})");
}

json::object with(json::object config, const std::string& key, const std::string& value) {
  config[key] = json::parse(value).value();
  return config;
}

DecoderConfig read(DecoderConfig::Read& reader, const json::object& config) {
  Result<DecoderConfig> decoder = reader(config, MaskKind::kCausal);
  EXPECT_TRUE(decoder.ok()) << decoder.status().message();
  return decoder.ok() ? *decoder : DecoderConfig();
}

void expect_refused(DecoderConfig::Read& reader, const std::string& key, const std::string& value,
                    const std::string& part) {
  SCOPED_TRACE(key + ": " + value);
  const Status status = reader(with(common(), key, value), MaskKind::kCausal).status();
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr(key));
  EXPECT_THAT(status.message(), HasSubstr(part));
}

TEST(DecoderConfig, DefaultsAreThoseOfTheClasses) {
  EXPECT_EQ(read(DecoderConfig::of_llama, common()).head_size, 6);
  EXPECT_EQ(read(DecoderConfig::of_llama, common()).max_positions, 2048);
  EXPECT_EQ(read(DecoderConfig::of_qwen3, common()).head_size, 128);
  EXPECT_EQ(read(DecoderConfig::of_qwen2, common()).projection_bias, Bias::kPresent);
  EXPECT_EQ(read(DecoderConfig::of_qwen2, common()).output_bias, Bias::kAbsent);
  const DecoderConfig gemma2 = read(DecoderConfig::of_gemma2, common());
  EXPECT_EQ(gemma2.head_size, 256);
  EXPECT_EQ(gemma2.softcap, 50);
  EXPECT_FLOAT_EQ(gemma2.attention_scale, 1.0f / 16);
  EXPECT_FLOAT_EQ(gemma2.embedding_scale, std::sqrt(24.0f));
  EXPECT_EQ(read(DecoderConfig::of_gemma3, common()).softcap, 0);
}

TEST(DecoderConfig, MistralSeesItsWindowItselfIncluded) {
  EXPECT_EQ(read(DecoderConfig::of_mistral, common()).window, 4095);
  const DecoderConfig everything =
      read(DecoderConfig::of_mistral, with(common(), "sliding_window", "null"));
  EXPECT_THAT(everything.local, ElementsAre(false, false, false, false));
}

TEST(DecoderConfig, WithoutTheMaskTheWindowReachesAsFarToEachSide) {
  const json::object config = with(with(common(), "sliding_window", "9"), "is_causal", "false");
  const DecoderConfig mistral = read(DecoderConfig::of_mistral, config);
  EXPECT_EQ(mistral.mask, MaskKind::kBidirectional);
  EXPECT_EQ(mistral.window, 9);
}

TEST(DecoderConfig, EmbeddingGemmaSeesHalfAWindowToEachSide) {
  const json::object config =
      with(with(common(), "sliding_window", "12"), "use_bidirectional_attention", "true");
  const DecoderConfig gemma = read(DecoderConfig::of_gemma3, config);
  EXPECT_EQ(gemma.mask, MaskKind::kBidirectional);
  EXPECT_EQ(gemma.window, 6);
}

TEST(DecoderConfig, QwenUsesItsWindowOnlyWhereToldTo) {
  const json::object told = with(with(common(), "sliding_window", "8"), "max_window_layers", "2");
  EXPECT_THAT(read(DecoderConfig::of_qwen2, told).local, ElementsAre(false, false, false, false));
  EXPECT_THAT(read(DecoderConfig::of_qwen2, with(told, "use_sliding_window", "true")).local,
              ElementsAre(false, false, true, true));
}

TEST(DecoderConfig, Gemma3sLayersAreLocalByPattern) {
  EXPECT_THAT(read(DecoderConfig::of_gemma3, with(common(), "sliding_window_pattern", "3")).local,
              ElementsAre(true, true, false, true));
  EXPECT_THAT(read(DecoderConfig::of_gemma2, common()).local,
              ElementsAre(true, false, true, false));
}

TEST(DecoderConfig, RefusesByName) {
  expect_refused(DecoderConfig::of_llama, "num_key_value_heads", "3", "4");
  expect_refused(DecoderConfig::of_llama, "hidden_act", "\"x\"", "x");
  expect_refused(DecoderConfig::of_llama, "is_causal", "1", "bool");
  expect_refused(DecoderConfig::of_llama, "rope_scaling", R"({"rope_type": "longrope"})",
                 "longrope");
  expect_refused(DecoderConfig::of_qwen3, "layer_types", R"(["full_attention"])", "4 layers");
  expect_refused(DecoderConfig::of_gemma2, "layer_types", R"(["x", "x", "x", "x"])", "\"x\"");
  expect_refused(DecoderConfig::of_gemma2, "attn_logit_softcapping", "-1", "");
  expect_refused(DecoderConfig::of_gemma3, "query_pre_attn_scalar", "0", "");
  expect_refused(DecoderConfig::of_mistral, "sliding_window", "-1", "");
}

TEST(Gpt2Config, RefusesByName) {
  EXPECT_TRUE(Gpt2Config::from_json({}).ok());
  for (const auto& [key, value] : {std::pair{"n_head", "7"}, {"add_cross_attention", "true"}}) {
    const Status status = Gpt2Config::from_json(with({}, key, value)).status();
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(status.message(), HasSubstr(key));
  }
}

TEST(DecoderMask, IsCausalCountsFirst) {
  json::object config = parse(R"({"is_causal": true, "use_bidirectional_attention": true})");
  EXPECT_EQ(*read_mask(config, MaskKind::kBidirectional), MaskKind::kCausal);
  config.erase("is_causal");
  EXPECT_EQ(*read_mask(config, MaskKind::kCausal), MaskKind::kBidirectional);
  set_mask(MaskKind::kCausal, &config);
  EXPECT_EQ(*read_mask(config, MaskKind::kBidirectional), MaskKind::kCausal);
  EXPECT_EQ(*read_mask({}, MaskKind::kBidirectional), MaskKind::kBidirectional);
}

TEST(DecoderMask, OnlyDecodersHaveAChoice) {
  EXPECT_EQ(find_model("LlamaModel")->decoder_mask, MaskKind::kCausal);
  EXPECT_EQ(find_model("LlamaBidirectionalModel")->decoder_mask, MaskKind::kBidirectional);
  EXPECT_FALSE(find_model("EuroBertModel")->decoder_mask.has_value());
  EXPECT_FALSE(find_model("CLIPTextModel")->decoder_mask.has_value());
}

}  // namespace
}  // namespace wde::models
