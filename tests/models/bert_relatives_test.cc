// What the relatives' config.json say beyond BERT's, and what is refused by its name. The numbers
// that come out are the engine's goldens'.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/registry.h"

namespace wde::models {
namespace {

using testing::AllOf;
using testing::HasSubstr;

json::object parse(const char* text) { return json::parse(text).value().as_object(); }

json::object bert_like() {
  return parse(R"({"num_hidden_layers": 4, "hidden_size": 24, "intermediate_size": 37,
      "num_attention_heads": 3, "vocab_size": 70, "max_position_embeddings": 50,
      "type_vocab_size": 1, "embedding_size": 13, "num_hidden_groups": 2})");
}

json::object distilbert() {
  return parse(R"({"n_layers": 2, "dim": 24, "hidden_dim": 37, "n_heads": 3, "vocab_size": 70,
      "max_position_embeddings": 50})");
}

Result<ModelTraits> traits_of(const char* architecture, const json::object& config) {
  const ModelEntry* entry = find_model(architecture);
  if (entry == nullptr) return Status(StatusCode::kInternal, architecture);
  return entry->traits(config);
}

void expect_refused(const char* architecture, json::object config, const char* key,
                    const char* value, StatusCode code) {
  SCOPED_TRACE(std::string(architecture) + " " + key + ": " + value);
  config[key] = json::parse(value).value();
  const Status status = traits_of(architecture, config).status();
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_THAT(status.message(), HasSubstr(key));
}

TEST(Relatives, RobertasPositionsStartBehindThePaddings) {
  for (const char* architecture : {"RobertaModel", "XLMRobertaModel", "CamembertModel"}) {
    json::object config = bert_like();
    for (const int pad_id : {1, 0, 5}) {
      if (pad_id != 1) config["pad_token_id"] = pad_id;  // 1 where it is left out
      const auto traits = traits_of(architecture, config);
      ASSERT_TRUE(traits.ok()) << traits.status().message();
      EXPECT_EQ(traits->position_offset, pad_id + 1);
      EXPECT_EQ(traits->padding_id, pad_id);
      EXPECT_EQ(traits->max_length, 50 - pad_id - 1);
      EXPECT_EQ(traits->type_vocab_size, 1);
    }
  }
}

TEST(Relatives, RobertasPaddingIsATokenThatLeavesPositions) {
  for (const char* value : {"-1", "70", "\"1\""}) {
    expect_refused("RobertaModel", bert_like(), "pad_token_id", value, StatusCode::kDataLoss);
  }
  json::object config = bert_like();
  config["pad_token_id"] = 49;
  const Status status = traits_of("RobertaModel", config).status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("max_position_embeddings 50"), HasSubstr("49")));
}

TEST(Relatives, DistilBertHasNamesOfItsOwnAndNoTokenTypes) {
  const auto traits = traits_of("DistilBertModel", distilbert());
  ASSERT_TRUE(traits.ok()) << traits.status().message();
  EXPECT_EQ(traits->hidden_size, 24);
  EXPECT_EQ(traits->type_vocab_size, 0);
  EXPECT_EQ(traits->max_length, 50);
  for (const char* key : {"n_layers", "dim", "hidden_dim", "n_heads", "vocab_size"}) {
    expect_refused("DistilBertModel", distilbert(), key, "0", StatusCode::kDataLoss);
  }
  expect_refused("DistilBertModel", distilbert(), "n_heads", "5", StatusCode::kDataLoss);
  expect_refused("DistilBertModel", distilbert(), "activation", "\"mish\"",
                 StatusCode::kUnsupported);
}

TEST(Relatives, AlbertsGroupsAreAtMostItsLayers) {
  for (const char* value : {"0", "5", "1.5"}) {
    expect_refused("AlbertModel", bert_like(), "num_hidden_groups", value, StatusCode::kDataLoss);
  }
  expect_refused("AlbertModel", bert_like(), "inner_group_num", "0", StatusCode::kDataLoss);
}

TEST(Relatives, WhatNoneImplementsIsRefusedByItsName) {
  for (const char* architecture :
       {"RobertaModel", "XLMRobertaModel", "CamembertModel", "ElectraModel", "AlbertModel"}) {
    for (const char* positions : {"\"relative_key\"", "\"alibi\""}) {
      expect_refused(architecture, bert_like(), "position_embedding_type", positions,
                     StatusCode::kUnsupported);
    }
    expect_refused(architecture, bert_like(), "is_decoder", "true", StatusCode::kUnsupported);
    expect_refused(architecture, bert_like(), "pruned_heads", R"({"0": [1]})",
                   StatusCode::kUnsupported);
    expect_refused(architecture, bert_like(), "hidden_act", "\"mish\"", StatusCode::kUnsupported);
  }
  for (const char* architecture : {"ElectraModel", "AlbertModel"}) {
    expect_refused(architecture, bert_like(), "embedding_size", "0", StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace wde::models
