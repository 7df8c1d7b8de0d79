// The files of multi-vector and of sparse models.
#include "checkpoint/late_interaction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/model_folder.h"
#include "temp_folder.h"

namespace wde::checkpoint {
namespace {

using test::TempFolder;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kConfig = R"({"architectures":["BertModel"],"hidden_size":3})";

Result<ModelFolder> read(const TempFolder& folder) {
  return read_model_folder(folder.path(), {.weights = false});
}

LateInteraction read_settings(const TempFolder& folder) {
  const auto model = read(folder);
  EXPECT_TRUE(model.ok()) << model.status().message();
  EXPECT_TRUE(model.ok() && model->late_interaction.has_value());
  return model.ok() ? model->late_interaction.value_or(LateInteraction{}) : LateInteraction{};
}

TEST(LateInteraction, IsNothingToOtherModels) {
  const TempFolder folder;
  folder.write("config.json", kConfig);
  folder.write("config_sentence_transformers.json", R"({"model_type":"SentenceTransformer"})");
  EXPECT_FALSE(read(folder)->late_interaction.has_value());
}

TEST(LateInteraction, StanfordsDefaultsAndItsFile) {
  const TempFolder folder;
  folder.write("config.json", R"({"architectures":["HF_ColBERT"],"model_type":"bert"})");
  LateInteraction plain = read_settings(folder);
  EXPECT_EQ(plain.query_marker, "[unused0]");
  EXPECT_EQ(plain.document_marker, "[unused1]");
  EXPECT_EQ(plain.expansion->length, 32);
  EXPECT_FALSE(plain.expansion->attended);
  EXPECT_TRUE(plain.normalized);
  EXPECT_THAT(plain.skipped_words, SizeIs(32));
  EXPECT_THAT(plain.skipped_words, Contains("~"));
  folder.write("artifact.metadata",
               R"({"query_token_id":"[Q]","doc_token_id":"[D]","doc_maxlen":180,"query_maxlen":20,
                   "mask_punctuation":false,"attend_to_mask_tokens":true})");
  plain = read_settings(folder);
  EXPECT_EQ(plain.query_marker, "[Q]");
  EXPECT_EQ(plain.document_length, 180);
  EXPECT_EQ(plain.expansion->length, 20);
  EXPECT_TRUE(plain.expansion->attended);
  EXPECT_THAT(plain.skipped_words, SizeIs(0));
  folder.write("artifact.metadata", R"({"query_maxlen":0})");
  EXPECT_EQ(read(folder).status().code(), StatusCode::kDataLoss);
}

TEST(LateInteraction, PylatesFile) {
  const TempFolder folder;
  folder.write("config.json", kConfig);
  folder.write("config_sentence_transformers.json",
               R"({"model_type":"ColBERT","query_prefix":"[Q] ","document_prefix":"[D] ",
                   "query_length":48,"document_length":300,"skiplist_words":["a","."]})");
  const LateInteraction settings = read_settings(folder);
  EXPECT_TRUE(settings.normalized);
  EXPECT_EQ(settings.query_marker, "[Q] ");
  EXPECT_EQ(settings.expansion->length, 48);
  EXPECT_TRUE(settings.expansion->cut);
  EXPECT_EQ(settings.document_length, 300);
  EXPECT_THAT(settings.skipped_words, ElementsAre("a", "."));
  folder.write("config_sentence_transformers.json",
               R"({"model_type":"ColBERT","do_query_expansion":false})");
  EXPECT_FALSE(read_settings(folder).expansion.has_value());
}

// Both spellings of its class, whose config says nothing of what it works on.
TEST(LateInteraction, PylatesDense) {
  for (const std::string type : {"pylate.models.Dense.Dense", "pylate.models.Dense"}) {
    const TempFolder folder;
    folder.write("config.json", kConfig);
    folder.write("modules.json",
                 R"([{"path":"","type":"sentence_transformers.models.Transformer"},
                     {"path":"1_Dense","type":")" +
                     type + R"("}])");
    folder.write("1_Dense/config.json",
                 R"({"in_features":3,"out_features":2,"bias":false,"use_residual":true,
                     "activation_function":"torch.nn.modules.linear.Identity"})");
    const auto model = read(folder);
    ASSERT_TRUE(model.ok()) << model.status().message();
    ASSERT_THAT(model->modules, SizeIs(1));
    const auto& dense = std::get<DenseModule>(model->modules[0]);
    EXPECT_EQ(dense.token_level, true) << type;
    EXPECT_TRUE(dense.residual);
  }
}

// Where the config of a Dense says nothing, the model does.
TEST(LateInteraction, ADenseMayNotSayWhatItWorksOn) {
  const TempFolder folder;
  folder.write("config.json", kConfig);
  folder.write("modules.json", R"([
    {"path":"","type":"sentence_transformers.models.Transformer"},
    {"path":"1_Dense","type":"sentence_transformers.models.Dense"}])");
  const auto level = [&](const std::string& names) {
    folder.write("1_Dense/config.json", R"({"in_features":3,"out_features":2)" + names + "}");
    return std::get<DenseModule>(read(folder)->modules.at(0)).token_level;
  };
  EXPECT_EQ(level(""), std::nullopt);
  EXPECT_EQ(level(R"(,"module_input_name":"token_embeddings")"), true);
  EXPECT_EQ(level(R"(,"module_output_name":"sentence_embedding")"), false);
}

TEST(LateInteraction, SentenceTransformersModules) {
  const TempFolder folder;
  folder.write("config.json", kConfig);
  folder.write("modules.json", R"([
    {"path":"","type":"sentence_transformers.base.modules.transformer.Transformer"},
    {"path":"1_Dense","type":"sentence_transformers.base.modules.dense.Dense"},
    {"path":"2_Mask","type":"sentence_transformers.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask"},
    {"path":"3_Normalize","type":"sentence_transformers.base.modules.normalize.Normalize"}])");
  folder.write("1_Dense/config.json",
               R"({"in_features":3,"out_features":2,"module_input_name":"token_embeddings"})");
  folder.write("2_Mask/config.json",
               R"({"skiplist_words":["."],"skiplist_tasks":["query","document"]})");
  folder.write("3_Normalize/config.json", R"({"module_input_name":"token_embeddings"})");
  folder.write("sentence_bert_config.json",
               R"({"document_length":99,"query_expansion":{"strategy":"min","length":16}})");
  const auto model = read(folder);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(std::get<DenseModule>(model->modules[0]).token_level, true);
  EXPECT_TRUE(std::get<NormalizeModule>(model->modules[2]).token_level);
  const LateInteraction settings = read_settings(folder);
  EXPECT_FALSE(settings.normalized);  // but by its Normalize
  EXPECT_FALSE(settings.expansion->cut);
  EXPECT_EQ(settings.expansion->length, 16);
  EXPECT_TRUE(settings.skip_in_queries);
  folder.write("sentence_bert_config.json",
               R"({"query_expansion":{"strategy":"max","length":16}})");
  EXPECT_THAT(read(folder).status().message(), HasSubstr("strategy \"max\""));
  folder.write("sentence_bert_config.json", "{}");
  folder.write("2_Mask/config.json", R"({"keep_only_token_ids":[3]})");
  EXPECT_EQ(read(folder).status().code(), StatusCode::kUnsupported);
}

TEST(SpladePooling, WhatItMayBe) {
  const TempFolder folder;
  folder.write("config.json", kConfig);
  folder.write("modules.json", R"([
    {"path":"","type":"sentence_transformers.sparse_encoder.models.MLMTransformer"},
    {"path":"1_S","type":"sentence_transformers.sparse_encoder.models.SpladePooling"}])");
  folder.write("1_S/config.json", R"({"pooling_strategy":"max"})");
  EXPECT_FALSE(std::get<SpladePoolingModule>(read(folder)->modules[0]).second_logarithm);
  folder.write("1_S/config.json", R"({"activation_function":"log1p_relu"})");
  EXPECT_TRUE(std::get<SpladePoolingModule>(read(folder)->modules[0]).second_logarithm);
  for (const char* refused :
       {R"({"pooling_strategy":"sum"})", R"({"activation_function":"gelu"})"}) {
    folder.write("1_S/config.json", refused);
    EXPECT_EQ(read(folder).status().code(), StatusCode::kUnsupported) << refused;
  }
}

}  // namespace
}  // namespace wde::checkpoint
