// What the configs of the encoders with positions in their attention may say, and what is said
// where they do not. The numbers that come out are the engine's goldens'.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "models/decoder_config.h"
#include "models/gte.h"
#include "models/jina_bert.h"
#include "models/jina_embeddings_v3.h"
#include "models/modernbert.h"
#include "models/nomic_bert.h"
#include "models/registry.h"

namespace wde::models {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

json::object parse(const char* text) { return json::parse(text).value().as_object(); }

json::object common() {
  return parse(R"({"num_hidden_layers": 4, "hidden_size": 24, "intermediate_size": 6,
      "num_attention_heads": 3, "vocab_size": 7, "max_position_embeddings": 50})");
}

json::object with(json::object config, const std::string& key, const std::string& value) {
  config[key] = json::parse(value).value();
  return config;
}

// Each is refused by an error that names `key` and, where given, `part`.
struct Refusal {
  std::string key, value, part;
};

template <class Config>
void expect_refused(const json::object& config, const std::vector<Refusal>& refusals) {
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.key + ": " + refusal.value);
    const Status status = Config::from_json(with(config, refusal.key, refusal.value)).status();
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(status.message(), AllOf(HasSubstr(refusal.key), HasSubstr(refusal.part)));
  }
}

TEST(ModernBertConfig, LayersAreLocalByNumberOrByName) {
  const auto by_number = ModernBertConfig::from_json(common());
  ASSERT_TRUE(by_number.ok()) << by_number.status().message();
  EXPECT_THAT(by_number->local, ElementsAre(false, true, true, false));
  EXPECT_EQ(by_number->window, 64);
  EXPECT_EQ(by_number->global_rope.theta, 160000.0);
  EXPECT_EQ(by_number->local_rope.theta, 10000.0);
  const auto by_name = ModernBertConfig::from_json(
      with(common(), "layer_types",
           R"(["sliding_attention", "full_attention", "full_attention", "sliding_attention"])"));
  ASSERT_TRUE(by_name.ok()) << by_name.status().message();
  EXPECT_THAT(by_name->local, ElementsAre(true, false, false, true));
}

TEST(ModernBertConfig, ALocalThetaOfNullIsTheGlobalOne) {
  const auto config = ModernBertConfig::from_json(
      with(with(common(), "global_rope_theta", "500.0"), "local_rope_theta", "null"));
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->local_rope.theta, 500.0);
}

TEST(ModernBertConfig, RefusesByName) {
  expect_refused<ModernBertConfig>(
      common(), {{"hidden_size", "25", "num_attention_heads"},
                 {"norm_eps", "0", ""},
                 {"hidden_activation", "\"prelu\"", "prelu"},
                 {"layer_types", R"(["full_attention"])", "4 layers"},
                 {"layer_types", R"(["full_attention", "full_attention", "x", "x"])", "\"x\""},
                 {"local_attention", "0", ""},
                 {"rope_scaling", R"({"rope_type": "longrope"})", "longrope"}});
}

// What expect_refused() reads.
template <DecoderConfig::Read& kRead>
struct Reading {
  static Result<DecoderConfig> from_json(const json::object& config) {
    return kRead(config, attention::MaskKind::kCausal);
  }
};

TEST(EuroBertConfig, RefusesByName) {
  expect_refused<Reading<DecoderConfig::of_eurobert>>(
      common(), {{"num_key_value_heads", "2", "3"},
                 {"rms_norm_eps", "2", ""},
                 {"hidden_act", "\"x\"", "x"},
                 {"rope_scaling", R"({"rope_type": "longrope"})", "longrope"}});
}

TEST(GteConfig, DefaultsAreThoseOfTheModelsCode) {
  EXPECT_EQ(GteConfig::from_json(common())->rope.theta, 10000.0);
  EXPECT_EQ(GteConfig::from_json(common())->type_vocab_size, 2);
  const json::object native = with(common(), "model_type", "\"gte\"");
  EXPECT_EQ(GteConfig::from_json(native)->rope.theta, 160000.0);
  EXPECT_EQ(GteConfig::from_json(native)->type_vocab_size, 1);
}

TEST(GteConfig, RefusesByName) {
  expect_refused<GteConfig>(common(), {{"layer_norm_type", "\"rms_norm\"", "layer_norm"},
                                       {"logn_attention_scale", "true", ""},
                                       {"position_embedding_type", "\"alibi\"", "rope"},
                                       {"is_decoder", "true", ""}});
}

json::object nomic() {
  return parse(R"({"n_layer": 4, "n_embd": 24, "n_inner": 6, "n_head": 3, "vocab_size": 61,
      "n_positions": 5000, "pad_vocab_size_multiple": 64, "activation_function": "swiglu"})");
}

TEST(NomicBertConfig, ReadsTheHubsFields) {
  const auto config = NomicBertConfig::from_json(nomic());
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->vocab_size, 64);
  EXPECT_EQ(config->max_positions, 5000);
  EXPECT_TRUE(config->gated);
  EXPECT_FALSE(config->has_experts(1));
  const auto scaled = NomicBertConfig::from_json(with(nomic(), "rotary_scaling_factor", "2"));
  EXPECT_EQ(scaled->max_positions, 2048);
}

TEST(NomicBertConfig, RefusesByName) {
  expect_refused<NomicBertConfig>(nomic(), {{"prenorm", "true", ""},
                                            {"causal", "true", ""},
                                            {"use_rms_norm", "true", ""},
                                            {"parallel_block", "true", ""},
                                            {"scale_attn_weights", "false", ""},
                                            {"rotary_emb_scale_base", "512", ""},
                                            {"activation_function", "\"x\"", "x"}});
  json::object experts = with(with(nomic(), "activation_function", "\"gelu\""), "num_experts", "8");
  experts["moe_every_n_layers"] = 2;
  experts["moe_top_k"] = 2;
  EXPECT_TRUE(NomicBertConfig::from_json(experts)->has_experts(3));
  expect_refused<NomicBertConfig>(experts, {{"moe_top_k", "9", "num_experts"},
                                            {"moe_normalize_expert_weights", "true", ""},
                                            {"expert_choice_router", "true", ""},
                                            {"num_shared_experts", "1", ""},
                                            {"ffn_div", "2", ""},
                                            {"activation_function", "\"swiglu\"", "gelu"}});
}

json::object jina() {
  return with(with(common(), "position_embedding_type", "\"alibi\""), "feed_forward_type",
              "\"geglu\"");
}

TEST(JinaBertConfig, RefusesByName) {
  EXPECT_TRUE(JinaBertConfig::from_json(jina()).ok());
  expect_refused<JinaBertConfig>(jina(), {{"position_embedding_type", "\"absolute\"", "alibi"},
                                          {"feed_forward_type", "\"original\"", "geglu"},
                                          {"is_decoder", "true", ""}});
  EXPECT_FALSE(JinaBertConfig::from_json(common()).ok());
}

TEST(Alibi, SlopesOfAnyNumberOfHeads) {
  EXPECT_THAT(alibi_slopes(8), ElementsAre(0.5f, 0.25f, 0.125f, 0.0625f, 0.03125f, 0.015625f,
                                           0.0078125f, 0.00390625f));
  const std::vector<float> twelve = alibi_slopes(12);
  ASSERT_EQ(twelve.size(), 12u);
  EXPECT_EQ(twelve[7], 0.00390625f);
  EXPECT_EQ(twelve[8], static_cast<float>(std::exp2(-0.5)));
  EXPECT_EQ(twelve[9], static_cast<float>(std::exp2(-1.5)));
}

TEST(JinaEmbeddingsV3, IsAnXlmRobertaModelWithRotaryPositions) {
  json::object config = with(common(), "position_embedding_type", "\"rotary\"");
  config["lora_adaptations"] = json::array{"a", "b"};
  config["lora_rank"] = 4;
  const ModelEntry* entry = find_model("XLMRobertaModel");
  ASSERT_NE(entry, nullptr);
  const auto traits = entry->traits(config);
  ASSERT_TRUE(traits.ok()) << traits.status().message();
  EXPECT_THAT(traits->adapters, ElementsAre("a", "b"));
  EXPECT_EQ(traits->position_offset, 0);
  EXPECT_EQ(entry->traits(common())->position_offset, 2);
  expect_refused<JinaEmbeddingsV3Config>(config, {{"lora_rank", "0", ""},
                                                  {"lora_adaptations", "[1]", ""},
                                                  {"rotary_emb_scale_base", "512", ""},
                                                  {"hidden_act", "\"x\"", "x"}});
}

}  // namespace
}  // namespace wde::models
