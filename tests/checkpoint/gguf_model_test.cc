// What GGUF files say of models, in transformers' terms.
#include "checkpoint/gguf_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/gguf_config.h"
#include "checkpoint/model_folder.h"
#include "gguf_writer.h"
#include "support/paths.h"
#include "temp_folder.h"
#include "tensor/computed_rows.h"

namespace wde::checkpoint {
namespace {

using test::GgufWriter;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<float> numbers_of(const WeightSource& source, const std::string& name) {
  const auto view = source.tensor(name);
  EXPECT_TRUE(view.ok()) << view.status().message();
  if (!view.ok()) return {};
  std::vector<float> values(static_cast<size_t>(view->shape.elements()));
  read_f32(*view, values.data());
  return values;
}

Result<GgufFile> open_bytes(const std::string& bytes) {
  return open_gguf_bytes(std::as_bytes(std::span(bytes)), "test.gguf");
}

// A llama of one layer, two heads of 4 and one key head.
GgufWriter llama() {
  GgufWriter writer;
  writer.add("general.architecture", "llama");
  writer.add("llama.embedding_length", uint32_t{8});
  writer.add("llama.block_count", uint32_t{1});
  writer.add("llama.feed_forward_length", uint32_t{3});
  writer.add("llama.context_length", uint32_t{64});
  writer.add("llama.attention.head_count", uint32_t{2});
  writer.add("llama.attention.head_count_kv", uint32_t{1});
  writer.add("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  std::vector<float> rows;
  for (int row = 0; row < 8; ++row)
    for (int column = 0; column < 8; ++column) rows.push_back(static_cast<float>(row));
  writer.add_f32("token_embd.weight", {5, 8}, std::vector<float>(40, 1));
  writer.add_f32("blk.0.attn_q.weight", {8, 8}, rows);
  writer.add_f32("blk.0.attn_k.weight", {4, 8}, {rows.begin(), rows.begin() + 32});
  writer.add_f32("blk.0.attn_v.weight", {4, 8}, {rows.begin(), rows.begin() + 32});
  return writer;
}

std::vector<float> first_column(const std::vector<float>& matrix, size_t columns) {
  std::vector<float> column;
  for (size_t i = 0; i < matrix.size(); i += columns) column.push_back(matrix[i]);
  return column;
}

TEST(GgufModel, SpeaksTransformersTerms) {
  const std::string bytes = llama().bytes();
  const auto model = read_gguf_model(open_bytes(bytes).value());
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->config.at("architectures").at(0).as_string(), "LlamaForCausalLM");
  EXPECT_EQ(model->config.at("vocab_size").as_int64(), 5);
  EXPECT_EQ(model->config.at("num_key_value_heads").as_int64(), 1);
  EXPECT_EQ(model->config.at("head_dim").as_int64(), 4);
  EXPECT_TRUE(model->config.at("tie_word_embeddings").as_bool());
  EXPECT_EQ(model->pooling, "");
  const WeightSource& weights = *model->weights;
  // ggml's rows are x0 y0 x1 y1 of the halves x and y.
  EXPECT_THAT(first_column(numbers_of(weights, "model.layers.0.self_attn.q_proj.weight"), 8),
              ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
  EXPECT_THAT(first_column(numbers_of(weights, "model.layers.0.self_attn.k_proj.weight"), 8),
              ElementsAre(0, 2, 1, 3));
  EXPECT_THAT(first_column(numbers_of(weights, "model.layers.0.self_attn.v_proj.weight"), 8),
              ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(weights.tensor("lm_head.weight").status().code(), StatusCode::kNotFound);
}

void expect_model_refused(GgufWriter writer, const std::string& part) {
  const std::string bytes = writer.bytes();
  const auto model = read_gguf_model(open_bytes(bytes).value());
  ASSERT_FALSE(model.ok()) << part;
  EXPECT_THAT(model.status().message(), HasSubstr(part));
}

TEST(GgufModel, WhatHasNoPlaceIsRefusedByName) {
  GgufWriter writer = llama();
  writer.add_f32("blk.0.attn_q.scale", {1}, {1});
  expect_model_refused(writer, "\"blk.0.attn_q.scale\" has no place");
  writer = llama();
  writer.add_f32("blk.1.attn_q.weight", {8, 8}, std::vector<float>(64));
  expect_model_refused(writer, "\"blk.1.attn_q.weight\" has no place");
  writer = llama();
  writer.add("llama.expert_count", uint32_t{8});
  expect_model_refused(writer, "llama.expert_count");
  writer = llama();
  writer.add("llama.rope.scaling.type", "longrope");
  writer.add("llama.rope.scaling.factor", 2.0f);
  expect_model_refused(writer, "longrope");
  writer = llama();
  writer.add("llama.rope.dimension_count", uint32_t{2});
  expect_model_refused(writer, "llama.rope.dimension_count");
  writer = llama();
  writer.add_f32("rope_freqs.weight", {2}, {3, 1});
  expect_model_refused(writer, "rope_freqs.weight");
  GgufWriter other;
  other.add("general.architecture", "mamba");
  expect_model_refused(other, "\"mamba\"");
  GgufWriter empty;
  empty.add("general.architecture", "llama");
  expect_model_refused(empty, "llama.embedding_length");
}

TEST(GgufModel, Llama3sScalingIsRecognized) {
  GgufWriter writer = llama();
  writer.add("llama.rope.freq_base", 1e8f);
  writer.add_f32("rope_freqs.weight", {2}, {1, 8});
  const std::string bytes = writer.bytes();
  const auto model = read_gguf_model(open_bytes(bytes).value());
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->config.at("rope_scaling").at("rope_type").as_string(), "llama3");
  EXPECT_EQ(model->config.at("rope_scaling").at("factor").as_double(), 8);
}

// A Gemma of one layer, two heads of 4 and one key head.
GgufWriter gemma(const std::string& name) {
  GgufWriter writer;
  writer.add("general.architecture", name);
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, uint32_t>>{{"embedding_length", 8},
                                                     {"block_count", 1},
                                                     {"feed_forward_length", 3},
                                                     {"context_length", 64},
                                                     {"attention.head_count", 2},
                                                     {"attention.head_count_kv", 1},
                                                     {"attention.key_length", 4},
                                                     {"attention.value_length", 4}}) {
    writer.add(name + "." + key, value);
  }
  writer.add(name + ".attention.layer_norm_rms_epsilon", 1e-6f);
  writer.add_f32("token_embd.weight", {5, 8}, std::vector<float>(40, 1));
  return writer;
}

json::object config_of(const GgufWriter& writer) {
  const std::string bytes = writer.bytes();
  auto model = read_gguf_model(open_bytes(bytes).value());
  EXPECT_TRUE(model.ok()) << model.status().message();
  return model.ok() ? std::move(model->config) : json::object();
}

TEST(GgufModel, WhatGemmaDoesNotSayIsItsClasss) {
  for (const char* key : {"sliding_window", "attn_logit_softcapping", "final_logit_softcapping"})
    EXPECT_FALSE(config_of(gemma("gemma2")).contains(key)) << key;
  const json::object plain = config_of(gemma("gemma3"));
  EXPECT_TRUE(plain.at("sliding_window").is_null());
  EXPECT_EQ(plain.at("sliding_window_pattern"), 6);
  EXPECT_EQ(plain.at("rope_local_base_freq"), 10000.0);

  GgufWriter writer = gemma("gemma2");
  writer.add("gemma2.attention.sliding_window", uint32_t{32});
  writer.add("gemma2.attn_logit_softcapping", 20.0f);
  writer.add("gemma2.final_logit_softcapping", 10.0f);
  const json::object second = config_of(writer);
  EXPECT_EQ(second.at("sliding_window"), 32);
  EXPECT_EQ(second.at("attn_logit_softcapping"), 20.0);
  EXPECT_EQ(second.at("final_logit_softcapping"), 10.0);
  writer = gemma("gemma3");
  writer.add("gemma3.attention.sliding_window_pattern", uint32_t{2});
  writer.add("gemma3.rope.freq_base_swa", 500.0f);
  const json::object third = config_of(writer);
  EXPECT_EQ(third.at("sliding_window_pattern"), 2);
  EXPECT_EQ(third.at("rope_local_base_freq"), 500.0);
}

TEST(GgufModel, TheMaskIsTheFiles) {
  EXPECT_FALSE(config_of(llama()).contains("is_causal"));
  for (const bool causal : {false, true}) {
    GgufWriter writer = llama();
    writer.add("llama.attention.causal", causal);
    EXPECT_EQ(config_of(writer).at("is_causal"), causal);
  }
  auto file = open_gguf(test::fixture("weight_models/gguf_bert/model.gguf")).value();
  EXPECT_TRUE(GgufConfig::read(file.metadata, *file.tensors).ok());
  file.metadata["bert.attention.causal"] = true;
  EXPECT_THAT(GgufConfig::read(file.metadata, *file.tensors).status().message(),
              HasSubstr("\"bert.attention.causal\""));
}

TEST(GgufModel, KeysThatChangeTheComputationAreRefused) {
  for (const std::string key :
       {"attention.scale", "embedding_scale", "residual_scale", "logit_scale", "rope.scale_linear",
        "attn_logit_softcapping", "final_logit_softcapping", "attention.max_alibi_bias",
        "rope.freq_base_swa", "rope.scaling.attn_factor"}) {
    GgufWriter writer = llama();
    writer.add("llama." + key, 0.5f);
    expect_model_refused(writer, "\"llama." + key + "\"");
  }
  for (const std::string key :
       {"embedding_scale", "residual_scale", "logit_scale", "rope.scale_linear"}) {
    GgufWriter writer = llama();
    writer.add("llama." + key, 1.0f);
    config_of(writer);
  }
  GgufWriter window = llama();
  window.add("llama.attention.sliding_window", uint32_t{63});
  expect_model_refused(window, "\"llama.attention.sliding_window\": 63");
  window = llama();
  window.add("llama.attention.sliding_window", uint32_t{64});  // as long as the longest text
  config_of(window);
  GgufWriter pattern = gemma("gemma2");
  pattern.add("gemma2.attention.sliding_window_pattern", uint32_t{2});
  expect_model_refused(pattern, "\"gemma2.attention.sliding_window_pattern\"");
  GgufWriter factor = llama();
  factor.add("llama.rope.scaling.factor", 4.0f);
  EXPECT_EQ(config_of(factor).at("rope_scaling").at("rope_type"), "linear");
}

TEST(GgufModel, GemmasNormsLoseTheirOne) {
  GgufWriter writer = gemma("gemma3");
  writer.add("gemma3.attention.sliding_window", uint32_t{16});
  writer.add_f32("blk.0.ffn_norm.weight", {8}, {1, 1.5f, 2, 1, 1, 1, 1, 0.25f});
  const std::string bytes = writer.bytes();
  const auto model = read_gguf_model(open_bytes(bytes).value());
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_THAT(numbers_of(*model->weights, "model.layers.0.pre_feedforward_layernorm.weight"),
              ElementsAre(0, 0.5f, 1, 0, 0, 0, 0, -0.75f));
  EXPECT_EQ(model->config.at("query_pre_attn_scalar").as_int64(), 4);
  EXPECT_EQ(model->config.at("sliding_window").as_int64(), 16);
}

TEST(GgufModel, AdaptersTakeItsVocabularyUnlessTheyHaveATokenizer) {
  GgufWriter writer = llama();
  writer.add("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
  for (const bool modules : {false, true}) {
    const test::TempFolder folder;
    folder.write("base/model.gguf", writer.bytes());
    folder.write("adapter/adapter_config.json", R"({"base_model_name_or_path":"../base"})");
    if (modules) {
      folder.write("adapter/modules.json",
                   R"([{"idx":0,"path":"","type":"sentence_transformers.models.Transformer"}])");
    }
    const auto read = [&] { return read_model_folder(folder.path("adapter"), {.weights = false}); };
    auto model = read();
    ASSERT_TRUE(model.ok()) << model.status().message();
    ASSERT_TRUE(model->vocabulary.has_value()) << modules;
    EXPECT_EQ(model->vocabulary->at("tokens").as_array().size(), 2u);
    folder.write("adapter/tokenizer.json", "{}");
    model = read();
    ASSERT_TRUE(model.ok()) << model.status().message();
    EXPECT_FALSE(model->vocabulary.has_value()) << modules;
    EXPECT_EQ(model->tokenizer_path, folder.path("adapter"));
  }
}

TEST(GgufModel, TheTrainedFileIsRead) {
  const std::string path = test::real_data("models/stories260K/tinyllm.gguf");
  WDE_SKIP_WITHOUT(path, "models/stories260K");
  auto file = open_gguf(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  const auto model = read_gguf_model(std::move(file).value());
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->config.at("hidden_size").as_int64(), 64);
  EXPECT_EQ(model->config.at("num_hidden_layers").as_int64(), 5);
  EXPECT_EQ(model->vocabulary.at("tokens").as_array().size(), 512u);
  EXPECT_EQ(model->weights->names().size(), 48u);
}

}  // namespace
}  // namespace wde::checkpoint
