#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "checkpoint/gguf_file.h"
#include "checkpoint/gguf_model.h"
#include "checkpoint/safetensors.h"
#include "gguf_writer.h"
#include "support/paths.h"
#include "tensor/computed_rows.h"

namespace wde::checkpoint {
namespace {

using test::GgufWriter;
using testing::AllOf;
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

void expect_refused(const std::string& bytes, const std::string& part,
                    StatusCode code = StatusCode::kDataLoss) {
  const auto file = open_bytes(bytes);
  ASSERT_FALSE(file.ok()) << part;
  EXPECT_EQ(file.status().code(), code) << file.status().message();
  EXPECT_THAT(file.status().message(), AllOf(HasSubstr(part), HasSubstr("test.gguf")));
}

TEST(Gguf, BlocksStandForTheNumbersOfTheGgufPackage) {
  const auto file = open_gguf(test::fixture("weight_models/gguf_blocks/blocks.gguf"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  const auto expected =
      open_safetensors(test::fixture("weight_models/gguf_blocks/numbers.safetensors")).value();
  for (const char* name : {"q4_0", "q8_0", "q4_k", "q6_k"}) {
    const TensorView view = file->tensors->tensor(name).value();
    EXPECT_EQ(view.shape, Shape({3, 512}));
    EXPECT_EQ(numbers_of(*file->tensors, name), numbers_of(*expected, name)) << name;
    // A slice reads the same rows.
    std::vector<float> row(512);
    read_f32(view.slice_rows(2, 1), row.data());
    EXPECT_EQ(row[511], numbers_of(*expected, name).back());
  }
  const Status other = file->tensors->tensor("q5_k").status();
  EXPECT_EQ(other.code(), StatusCode::kUnsupported);
  EXPECT_THAT(other.message(), AllOf(HasSubstr("Q5_K"), HasSubstr("q5_k")));
}

TEST(Gguf, ReadsMetadataAndPlainTensors) {
  GgufWriter writer;
  writer.add("a.text", "é");
  writer.add("a.count", uint32_t{7});
  writer.add("a.real", 0.5f);
  writer.add("a.flag", true);
  writer.add("a.list", std::vector<std::string>{"x", "y"});
  writer.add_f32("t", {2, 3}, {1, 2, 3, 4, 5, 6});
  const std::string bytes = writer.bytes();
  const auto file = open_bytes(bytes);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(json::get_string(file->metadata, "a.text", "").value(), "é");
  EXPECT_EQ(json::get_int(file->metadata, "a.count", 0).value(), 7);
  EXPECT_EQ(json::get_double(file->metadata, "a.real", 0).value(), 0.5);
  EXPECT_TRUE(json::get_bool(file->metadata, "a.flag", false).value());
  EXPECT_EQ(json::get_array(file->metadata, "a.list").value()->size(), 2u);
  EXPECT_EQ(file->tensors->tensor("t")->shape, Shape({2, 3}));
  EXPECT_THAT(numbers_of(*file->tensors, "t"), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(file->tensors->tensor("u").status().code(), StatusCode::kNotFound);
}

TEST(Gguf, BrokenFilesAreRefused) {
  GgufWriter writer;
  writer.add("a.text", "abc");
  writer.add_f32("t", {2, 3}, {1, 2, 3, 4, 5, 6});
  const std::string good = writer.bytes();
  ASSERT_TRUE(open_bytes(good).ok());
  for (size_t size = 0; size < good.size() - 8; ++size)  // the last 8 bytes are padding
    EXPECT_FALSE(open_bytes(good.substr(0, size)).ok()) << size;
  expect_refused("GGML" + good.substr(4), "does not begin with");
  std::string other = good;
  other[4] = 1;
  expect_refused(other, "version 1", StatusCode::kUnsupported);
  other = good;
  std::memcpy(other.data() + 4, "\0\0\0\3", 4);
  expect_refused(other, "big-endian", StatusCode::kUnsupported);
  other = good;
  std::memset(other.data() + 8, 0xff, 8);  // tensors
  expect_refused(other, "tensors");
  other = good;
  std::memset(other.data() + 16, 0xff, 8);  // keys
  expect_refused(other, "keys");

  GgufWriter twice;
  twice.add("a", true);
  twice.add("a", true);
  expect_refused(twice.bytes(), "\"a\" stands twice");
  GgufWriter same;
  same.add_f32("t", {1}, {1});
  same.add_f32("t", {1}, {1});
  expect_refused(same.bytes(), "\"t\" stands twice");
  GgufWriter beyond;
  beyond.add_f32("t", {4, 1 << 20}, {1});
  expect_refused(beyond.bytes(), "reaches beyond");
  GgufWriter overflowing;
  overflowing.add_tensor("t", {int64_t{1} << 62, 16}, 0, "");
  expect_refused(overflowing.bytes(), "reaches beyond");
  GgufWriter crooked;
  crooked.set_offset(4);
  crooked.add_f32("t", {1}, {1});
  expect_refused(crooked.bytes(), "not a multiple of 32");
  GgufWriter far;
  far.set_offset(1 << 20);
  far.add_f32("t", {1}, {1});
  expect_refused(far.bytes(), "behind the file's");
  GgufWriter split_block;
  split_block.add_tensor("t", {1, 40}, 2, std::string(200, '\0'));
  expect_refused(split_block.bytes(), "no whole blocks of Q4_0");
  GgufWriter vector;
  vector.add_tensor("t", {32}, 8, std::string(34, '\0'));
  expect_refused(vector.bytes(), "a vector of Q8_0");
  GgufWriter aligned;
  aligned.add("general.alignment", uint32_t{24});
  expect_refused(aligned.bytes(), "general.alignment");
  GgufWriter shards;
  shards.add("split.count", uint32_t{2});
  expect_refused(shards.bytes(), "one of 2 files", StatusCode::kUnsupported);
}

TEST(Gguf, MetadataIsLimited) {
  constexpr size_t kMostBytes = size_t{16} << 20;
  GgufWriter longest;
  longest.add("a.text", std::string(kMostBytes, 'x'));
  EXPECT_TRUE(open_bytes(longest.bytes()).ok());
  GgufWriter longer;
  longer.add("a.text", std::string(kMostBytes + 1, 'x'));
  expect_refused(longer.bytes(), "\"a.text\": a string of 16777217 bytes");

  constexpr size_t kMostElements = size_t{1} << 24;
  GgufWriter full;
  full.add_array("a", 0, kMostElements - 3, std::string(kMostElements - 3, 'x'));
  full.add_array("b", 0, 3, "xyz");
  EXPECT_TRUE(open_bytes(full.bytes()).ok());
  full.add_array("c", 0, 1, "x");
  expect_refused(full.bytes(), "\"c\": an array of 1 elements; at most 16777216 in all");

  for (const auto& [type, size] : {std::pair(1u, 1u),
                                   {7u, 1u},
                                   {2u, 2u},
                                   {3u, 2u},
                                   {4u, 4u},
                                   {5u, 4u},
                                   {6u, 4u},
                                   {8u, 8u},
                                   {10u, 8u},
                                   {11u, 8u},
                                   {12u, 8u}}) {
    GgufWriter fits;
    fits.add_array("a", type, 4, std::string(4 * size, '\0'));
    EXPECT_TRUE(open_bytes(fits.bytes()).ok()) << type;
    GgufWriter lies;
    lies.add_array("a", type, 1000, std::string(1000 * size - 65, '\0'));
    expect_refused(lies.bytes(), "\"a\": an array of 1000 elements in");
    GgufWriter absurd;
    absurd.add_array("a", type, uint64_t{1} << 63, "");
    expect_refused(absurd.bytes(), "\"a\": an array of");
  }
  GgufWriter nested;
  nested.add_array("a", 9, 0, "");
  expect_refused(nested.bytes(), "an array of arrays", StatusCode::kUnsupported);
  GgufWriter unknown;
  unknown.add_array("a", 13, 0, "");
  expect_refused(unknown.bytes(), "a value of type 13");
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

TEST(GgufModel, GemmasNormsLoseTheirOne) {
  GgufWriter writer;
  writer.add("general.architecture", "gemma3");
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, uint32_t>>{{"embedding_length", 8},
                                                     {"block_count", 1},
                                                     {"feed_forward_length", 3},
                                                     {"context_length", 64},
                                                     {"attention.head_count", 2},
                                                     {"attention.head_count_kv", 1},
                                                     {"attention.key_length", 4},
                                                     {"attention.value_length", 4},
                                                     {"attention.sliding_window", 16}}) {
    writer.add("gemma3." + key, value);
  }
  writer.add("gemma3.attention.layer_norm_rms_epsilon", 1e-6f);
  writer.add_f32("token_embd.weight", {5, 8}, std::vector<float>(40, 1));
  writer.add_f32("blk.0.ffn_norm.weight", {8}, {1, 1.5f, 2, 1, 1, 1, 1, 0.25f});
  const std::string bytes = writer.bytes();
  const auto model = read_gguf_model(open_bytes(bytes).value());
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_THAT(numbers_of(*model->weights, "model.layers.0.pre_feedforward_layernorm.weight"),
              ElementsAre(0, 0.5f, 1, 0, 0, 0, 0, -0.75f));
  EXPECT_EQ(model->config.at("query_pre_attn_scalar").as_int64(), 4);
  EXPECT_EQ(model->config.at("sliding_window").as_int64(), 16);
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
