// What BERT's config.json and checkpoint must hold, and what is said where they do not. The numbers
// that come out are the engine's goldens'.
#include "models/bert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "ops/registry.h"
#include "support/memory_weights.h"
#include "tensor/device_registry.h"

namespace wde::models {
namespace {

using test::MemoryWeights;
using testing::AllOf;
using testing::HasSubstr;

json::object small_config() {
  return json::parse(R"({"num_hidden_layers": 2, "hidden_size": 4, "intermediate_size": 6,
      "num_attention_heads": 2, "vocab_size": 7, "max_position_embeddings": 5,
      "type_vocab_size": 3, "layer_norm_eps": 0.001, "hidden_act": "relu",
      "position_embedding_type": "absolute", "is_decoder": false})")
      .value()
      .as_object();
}

constexpr const char* kSizes[] = {"num_hidden_layers",   "hidden_size", "intermediate_size",
                                  "num_attention_heads", "vocab_size",  "max_position_embeddings"};

// The status of the small config with `key` set to this JSON value.
Status status_with(const std::string& key, const std::string& value) {
  json::object config = small_config();
  config[key] = json::parse(value).value();
  return BertConfig::from_json(config).status();
}

void expect_refused(const std::string& key, const std::string& value, StatusCode code,
                    const std::string& part = {}) {
  SCOPED_TRACE(key + ": " + value);
  const Status status = status_with(key, value);
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_THAT(status.message(), AllOf(HasSubstr(key), HasSubstr(part)));
}

TEST(BertConfig, ReadsEveryField) {
  const auto config = BertConfig::from_json(small_config());
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->layers, 2);
  EXPECT_EQ(config->hidden_size, 4);
  EXPECT_EQ(config->intermediate_size, 6);
  EXPECT_EQ(config->heads, 2);
  EXPECT_EQ(config->vocab_size, 7);
  EXPECT_EQ(config->max_positions, 5);
  EXPECT_EQ(config->type_vocab_size, 3);
  EXPECT_EQ(config->layer_norm_epsilon, 0.001f);
  EXPECT_EQ(config->activation, ops::Activation::kRelu);
}

TEST(BertConfig, WhatTransformersMayLeaveOutHasItsDefaults) {
  json::object json = small_config();
  for (const char* key : {"type_vocab_size", "layer_norm_eps", "hidden_act",
                          "position_embedding_type", "is_decoder"}) {
    json.erase(key);
  }
  const auto config = BertConfig::from_json(json);
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->type_vocab_size, 2);
  EXPECT_EQ(config->layer_norm_epsilon, 1e-12f);
  EXPECT_EQ(config->activation, ops::Activation::kGeluErf);
}

TEST(BertConfig, AMissingSizeIsNamed) {
  for (const char* key : kSizes) {
    json::object json = small_config();
    json.erase(key);
    const Status status = BertConfig::from_json(json).status();
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << key;
    EXPECT_THAT(status.message(), AllOf(HasSubstr(key), HasSubstr("missing")));
    expect_refused(key, "null", StatusCode::kDataLoss);
  }
}

TEST(BertConfig, ASizeOutOfRangeIsNamed) {
  for (const char* key : kSizes) {
    for (const char* value : {"0", "-1", "-3", "268435457", "9223372036854775807",
                              "18446744073709551615", "1e30", "-1e30"}) {
      expect_refused(key, value, StatusCode::kDataLoss);
    }
  }
}

TEST(BertConfig, ASizeOfAnotherTypeIsNamed) {
  for (const char* key : kSizes) {
    for (const char* value : {"\"4\"", "4.5", "true", "[4]", "{}"}) {
      expect_refused(key, value, StatusCode::kDataLoss);
    }
  }
}

TEST(BertConfig, TheHeadsDivideTheHiddenSize) {
  const Status status = status_with("num_attention_heads", "3");
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("hidden_size"), HasSubstr("4"),
                                      HasSubstr("num_attention_heads"), HasSubstr("3")));
  expect_refused("num_attention_heads", "8", StatusCode::kDataLoss, "hidden_size");
}

TEST(BertConfig, TokenTypesAreAFew) {
  for (const char* value : {"0", "-1", "1025", "1e30", "\"2\""}) {
    expect_refused("type_vocab_size", value, StatusCode::kDataLoss);
  }
}

TEST(BertConfig, TheLayerNormsEpsilonIsASmallPositiveNumber) {
  for (const char* value : {"0", "-1e-12", "1", "1e300", "\"1e-12\"", "false"}) {
    expect_refused("layer_norm_eps", value, StatusCode::kDataLoss);
  }
}

TEST(BertConfig, AnUnknownActivationIsToldTheKnownOnes) {
  const Status status = status_with("hidden_act", "\"mish\"");
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("\"mish\""), HasSubstr("gelu")));
  expect_refused("hidden_act", "1", StatusCode::kDataLoss);
}

TEST(BertConfig, RelativePositionsAreNotServed) {
  for (const char* value : {"relative_key", "relative_key_query"}) {
    expect_refused("position_embedding_type", '"' + std::string(value) + '"',
                   StatusCode::kUnsupported, value);
  }
  expect_refused("position_embedding_type", "0", StatusCode::kDataLoss);
}

TEST(BertConfig, ADecoderIsNotServed) {
  expect_refused("is_decoder", "true", StatusCode::kUnsupported);
  expect_refused("is_decoder", "\"no\"", StatusCode::kDataLoss);
}

// Every tensor that the small config asks for.
MemoryWeights small_weights() {
  constexpr int64_t C = 4, F = 6;
  MemoryWeights weights;
  const auto add = [&](const std::string& name, const Shape& shape) {
    weights.set(name, shape, std::vector<float>(static_cast<size_t>(shape.elements()), 0.5f));
  };
  const auto add_pair = [&](const std::string& module, const Shape& shape) {
    add(module + ".weight", shape);
    add(module + ".bias", {shape[0]});
  };
  add("embeddings.word_embeddings.weight", {7, C});
  add("embeddings.position_embeddings.weight", {5, C});
  add("embeddings.token_type_embeddings.weight", {3, C});
  add_pair("embeddings.LayerNorm", {C});
  for (const char* layer : {"encoder.layer.0.", "encoder.layer.1."}) {
    const std::string name = layer;
    for (const char* part : {"query", "key", "value"}) {
      add_pair(name + "attention.self." + part, {C, C});
    }
    add_pair(name + "attention.output.dense", {C, C});
    add_pair(name + "attention.output.LayerNorm", {C});
    add_pair(name + "intermediate.dense", {F, C});
    add_pair(name + "output.dense", {C, F});
    add_pair(name + "output.LayerNorm", {C});
  }
  return weights;
}

enum class Load { kPlan, kEarnest };

Status load(const MemoryWeights& weights, const json::object& config = small_config(),
            Load how = Load::kEarnest) {
  const std::shared_ptr<Device> device = create_device("cpu").value();
  layers::ParameterStore store;
  layers::LoadContext context{.device = device,
                              .ops = *ops::choose_op_table("cpu").value(),
                              .planning = how == Load::kPlan,
                              .store = &store};
  return BertModel::load(config, weights, context).status();
}

TEST(BertModel, TakesEachTensorThatTheConfigAsksFor) {
  const Status status = load(small_weights());
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(BertModel, TakesTheNamesOfAModelForPreTraining) {
  MemoryWeights weights = small_weights();
  for (const std::string& name : weights.names()) weights.rename(name, "bert." + name);
  EXPECT_TRUE(load(weights).ok());
  weights.remove("bert.encoder.layer.1.output.dense.bias");
  EXPECT_THAT(load(weights).message(), HasSubstr("bert.encoder.layer.1.output.dense.bias"));
}

TEST(BertModel, TakesTensorFlowsNamesOfALayerNorm) {
  MemoryWeights weights = small_weights();
  for (const std::string& name : weights.names()) {
    const size_t at = name.find("LayerNorm.");
    if (at == std::string::npos) continue;
    const bool is_bias = name.ends_with(".bias");
    weights.rename(name, name.substr(0, at) + (is_bias ? "LayerNorm.beta" : "LayerNorm.gamma"));
  }
  EXPECT_TRUE(load(weights).ok());
  weights.remove("embeddings.LayerNorm.beta");
  EXPECT_THAT(load(weights).message(), HasSubstr("embeddings.LayerNorm.beta"));
}

TEST(BertModel, AnyMissingTensorIsNamedEvenInADryRun) {
  for (const std::string& name : small_weights().names()) {
    MemoryWeights weights = small_weights();
    weights.remove(name);
    for (const Load how : {Load::kPlan, Load::kEarnest}) {
      const Status status = load(weights, small_config(), how);
      EXPECT_EQ(status.code(), StatusCode::kNotFound) << name;
      EXPECT_THAT(status.message(), HasSubstr(name));
    }
  }
}

TEST(BertModel, AnyTensorOfAnotherShapeIsNamedEvenInADryRun) {
  for (const std::string& name : small_weights().names()) {
    MemoryWeights weights = small_weights();
    weights.set(name, {2, 9}, std::vector<float>(18));
    for (const Load how : {Load::kPlan, Load::kEarnest}) {
      const Status status = load(weights, small_config(), how);
      EXPECT_EQ(status.code(), StatusCode::kDataLoss) << name;
      EXPECT_THAT(status.message(), AllOf(HasSubstr(name), HasSubstr("[2, 9]")));
    }
  }
}

TEST(BertModel, AnyTensorOfIntegersIsNamed) {
  for (const std::string& name : small_weights().names()) {
    MemoryWeights weights = small_weights();
    weights.set_dtype(name, DType::kI32);
    const Status status = load(weights);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << name;
    EXPECT_THAT(status.message(), AllOf(HasSubstr(name), HasSubstr("i32")));
  }
}

// A config that promises what no memory holds: found out by the first tensor that is not there.
TEST(BertModel, AHugeNumberOfLayersFailsAtTheFirstMissingOne) {
  json::object config = small_config();
  config["num_hidden_layers"] = int64_t{1} << 28;
  const Status status = load(small_weights(), config, Load::kPlan);
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("encoder.layer.2."));
}

TEST(BertModel, AHugeVocabularyFailsAtTheTableThatIsSmaller) {
  json::object config = small_config();
  config["vocab_size"] = int64_t{1} << 28;
  const Status status = load(small_weights(), config);
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("word_embeddings"), HasSubstr("268435456")));
}

}  // namespace
}  // namespace wde::models
