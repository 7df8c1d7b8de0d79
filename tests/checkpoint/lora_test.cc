#include "checkpoint/lora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "checkpoint/lora_config.h"
#include "support/memory_weights.h"
#include "temp_folder.h"
#include "tensor/computed_rows.h"

namespace wde::checkpoint {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;

MATCHER_P2(IsTensor, name, brought, "") { return arg.name == name && arg.brought == brought; }

struct Tensor {
  std::string name;
  std::vector<int64_t> dims;
  std::vector<float> values;
};

std::string file_of(const std::vector<Tensor>& tensors) {
  std::string header, data;
  for (const Tensor& tensor : tensors) {
    std::string shape;
    for (const int64_t dim : tensor.dims) shape += (shape.empty() ? "" : ",") + std::to_string(dim);
    const size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size() * 4);
    header += (header.empty() ? "{\"" : ",\"") + tensor.name + "\":{\"dtype\":\"F32\",\"shape\":[" +
              shape + "],\"data_offsets\":[" + std::to_string(begin) + "," +
              std::to_string(data.size()) + "]}";
  }
  return test::safetensors_bytes(header.empty() ? "{}" : header + "}", data);
}

// W [2, 3] of module "layers.0.q", and a table [2, 2].
std::shared_ptr<test::MemoryWeights> base_weights() {
  auto weights = std::make_shared<test::MemoryWeights>();
  weights->set("model.layers.0.q.weight", {2, 3}, {1, 2, 3, 4, 5, 6});
  weights->set("model.layers.0.q.bias", {2}, {7, 8});
  weights->set("model.table.weight", {2, 2}, {1, 2, 3, 4});
  return weights;
}

const std::vector<Tensor> kPair = {
    {"base_model.model.model.layers.0.q.lora_A.weight", {1, 3}, {1, 10, 100}},
    {"base_model.model.model.layers.0.q.lora_B.weight", {2, 1}, {1, 2}}};

class Lora : public testing::Test {
 protected:
  Result<std::shared_ptr<const WeightSource>> merge(const std::string& config,
                                                    const std::vector<Tensor>& tensors) {
    folder_.write("adapter_config.json", config);
    folder_.write("adapter_model.safetensors", file_of(tensors));
    return merge_lora(base_weights(), folder_.path());
  }
  std::vector<float> merged(const std::string& config, const std::vector<Tensor>& tensors,
                            const std::string& name) {
    const auto source = merge(config, tensors);
    EXPECT_TRUE(source.ok()) << source.status().message();
    if (!source.ok()) return {};
    const TensorView view = (*source)->tensor(name).value();
    std::vector<float> values(static_cast<size_t>(view.shape.elements()));
    read_f32(view, values.data());
    return values;
  }
  std::string refusal(const std::string& config, const std::vector<Tensor>& tensors) {
    const auto source = merge(config, tensors);
    EXPECT_FALSE(source.ok());
    return source.ok() ? "" : source.status().message();
  }

  test::TempFolder folder_;
};

TEST_F(Lora, AddsScaledProducts) {
  const std::string name = "model.layers.0.q.weight";
  EXPECT_THAT(merged(R"({"r":1,"lora_alpha":2})", kPair, name),
              ElementsAre(3, 22, 203, 8, 45, 406));
  // The same names without their first component, and other ways to a scale of 2.
  std::vector<Tensor> renamed = kPair;
  for (Tensor& tensor : renamed) tensor.name.erase(11, 6);
  EXPECT_THAT(renamed[0].name, HasSubstr("base_model.model.layers"));
  EXPECT_THAT(merged(R"({"r":1,"lora_alpha":9,"alpha_pattern":{"0.q":2}})", renamed, name),
              ElementsAre(3, 22, 203, 8, 45, 406));
  EXPECT_THAT(
      merged(R"({"r":7,"lora_alpha":2,"rank_pattern":{"^model.layers.0.q":1}})", kPair, name),
      ElementsAre(3, 22, 203, 8, 45, 406));
}

TEST_F(Lora, ScalesByTheRootOfTheRankWhereAsked) {
  const std::vector<Tensor> pair = {
      {"base_model.model.model.layers.0.q.lora_A.weight", {2, 3}, {1, 0, 0, 0, 1, 0}},
      {"base_model.model.model.layers.0.q.lora_B.weight", {2, 2}, {1, 0, 0, 1}}};
  const float scale = 3 / std::sqrt(2.0f);
  EXPECT_THAT(
      merged(R"({"r":2,"lora_alpha":3,"use_rslora":true})", pair, "model.layers.0.q.weight"),
      ElementsAre(FloatNear(1 + scale, 1e-6f), 2, 3, 4, FloatNear(5 + scale, 1e-6f), 6));
}

TEST_F(Lora, TransposedMatricesAndEmbeddings) {
  // W is [in = 2, out = 3]: A [1, 2], B [3, 1].
  const std::vector<Tensor> pair = {
      {"base_model.model.model.layers.0.q.lora_A.weight", {1, 2}, {1, 2}},
      {"base_model.model.model.layers.0.q.lora_B.weight", {3, 1}, {1, 10, 100}}};
  EXPECT_THAT(
      merged(R"({"r":1,"lora_alpha":1,"fan_in_fan_out":true})", pair, "model.layers.0.q.weight"),
      ElementsAre(2, 12, 103, 6, 25, 206));
  const std::vector<Tensor> embedding = {
      {"base_model.model.model.table.lora_embedding_A", {1, 2}, {1, 2}},
      {"base_model.model.model.table.lora_embedding_B", {2, 1}, {10, 100}}};
  EXPECT_THAT(merged(R"({"r":1,"lora_alpha":1})", embedding, "model.table.weight"),
              ElementsAre(11, 102, 23, 204));
}

TEST_F(Lora, WholeTensorsReplaceOrAdd) {
  std::vector<Tensor> tensors = kPair;
  tensors.push_back({"base_model.model.score.weight", {1, 2}, {5, 6}});
  tensors.push_back({"base_model.model.model.layers.0.q.bias", {2}, {1, 1}});
  const std::string config =
      R"({"r":1,"lora_alpha":1,"modules_to_save":["score"],"bias":"lora_only"})";
  EXPECT_THAT(merged(config, tensors, "score.weight"), ElementsAre(5, 6));
  EXPECT_THAT(merged(config, tensors, "model.layers.0.q.bias"), ElementsAre(1, 1));
  const auto source = merge(config, tensors).value();
  EXPECT_TRUE(source->has("score.weight"));
  EXPECT_THAT(source->names(), testing::Contains("score.weight"));
  // What nobody asked for is known.
  EXPECT_TRUE(source->tensor("model.layers.0.q.weight").ok());
  EXPECT_THAT(source->unread_changes(),
              testing::UnorderedElementsAre(IsTensor("score.weight", true),
                                            IsTensor("model.layers.0.q.bias", false)));
}

TEST_F(Lora, WhatDoesNotFitIsRefusedByItsTensor) {
  const std::string config = R"({"r":1,"lora_alpha":1})";
  std::vector<Tensor> tensors = kPair;
  tensors[0] = {kPair[0].name, {1, 4}, {1, 2, 3, 4}};
  EXPECT_THAT(refusal(config, tensors), AllOf(HasSubstr("lora_A"), HasSubstr("[1, 4]"),
                                              HasSubstr("do not fit"), HasSubstr("[2, 3]")));
  EXPECT_THAT(refusal(config, {kPair[0]}), HasSubstr("without its other half"));
  EXPECT_THAT(refusal(R"({"r":2,"lora_alpha":1})", kPair),
              AllOf(HasSubstr("has rank 1"), HasSubstr("says 2")));
  EXPECT_THAT(refusal(config, {}), HasSubstr("no tensors"));
  tensors = kPair;
  tensors[0].name = "base_model.model.model.layers.1.q.lora_A.weight";
  tensors[1].name = "base_model.model.model.layers.1.q.lora_B.weight";
  EXPECT_THAT(refusal(config, tensors), HasSubstr("which the model does not have; the nearest is"));
  tensors = kPair;
  tensors.push_back({"layers.0.k.weight", {1}, {1}});
  EXPECT_THAT(refusal(config, tensors), HasSubstr("does not begin with"));
  tensors.back().name = "base_model.model.model.layers.0.k.weight";
  EXPECT_THAT(refusal(config, tensors), HasSubstr("none of \"modules_to_save\""));
  tensors.back().name = "base_model.model.model.layers.0.q.lora_magnitude_vector";
  EXPECT_THAT(refusal(config, tensors), HasSubstr("DoRA"));
  tensors.back().name = "base_model.model.model.layers.0.q.lora_C.weight";
  EXPECT_THAT(refusal(config, tensors), HasSubstr("no part of a LoRA"));
  tensors.back() = {"base_model.model.model.layers.0.q.bias", {3}, {1, 2, 3}};
  EXPECT_THAT(refusal(R"({"r":1,"bias":"all"})", tensors),
              AllOf(HasSubstr("q.bias"), HasSubstr("[3]"), HasSubstr("[2]")));
}

TEST_F(Lora, AMatrixStoredTheOtherWayRoundIsRefused) {
  // Told by the matrix itself, [2, 3].
  EXPECT_THAT(refusal(R"({"r":1,"fan_in_fan_out":true})", kPair),
              AllOf(HasSubstr("q.lora_A.weight"), HasSubstr("stored [out, in]"),
                    HasSubstr("\"fan_in_fan_out\": true")));
  const std::vector<Tensor> transposed = {
      {"base_model.model.model.layers.0.q.lora_A.weight", {1, 2}, {1, 2}},
      {"base_model.model.model.layers.0.q.lora_B.weight", {3, 1}, {1, 10, 100}}};
  EXPECT_THAT(refusal(R"({"r":1})", transposed),
              AllOf(HasSubstr("stored [in, out]"), HasSubstr("\"fan_in_fan_out\": false")));
  // A square one's neighbour tells, by its bias of [2].
  const std::vector<Tensor> square = {
      {"base_model.model.model.table.lora_A.weight", {1, 2}, {1, 2}},
      {"base_model.model.model.table.lora_B.weight", {2, 1}, {1, 1}}};
  EXPECT_THAT(
      refusal(R"({"r":1,"fan_in_fan_out":true})", square),
      AllOf(HasSubstr("fan_in_fan_out"), HasSubstr("[out, in]"), HasSubstr("table.weight")));
  EXPECT_THAT(merged(R"({"r":1,"lora_alpha":1})", square, "model.table.weight"),
              ElementsAre(2, 4, 4, 6));
  // And in an adapter that comes upon another, without its tensors' counting as read.
  const auto first = merge(R"({"r":1,"lora_alpha":1})", kPair).value();
  test::TempFolder second;
  second.write("adapter_config.json", R"({"r":1,"lora_alpha":1})");
  second.write("adapter_model.safetensors", file_of(square));
  const auto both = merge_lora(first, second.path());
  ASSERT_TRUE(both.ok()) << both.status().message();
  EXPECT_THAT((*both)->unread_changes(),
              testing::Contains(IsTensor("model.layers.0.q.weight", false)));
}

TEST_F(Lora, FieldsThatAreNotMergedAreRefusedByName) {
  for (const char* field : {"use_dora", "lora_bias", "use_qalora"}) {
    EXPECT_THAT(refusal("{\"" + std::string(field) + "\":true}", kPair), HasSubstr(field));
  }
  EXPECT_THAT(refusal(R"({"layer_replication":[[0,1]]})", kPair), HasSubstr("layer_replication"));
  EXPECT_THAT(refusal(R"({"peft_type":"IA3"})", kPair), HasSubstr("IA3"));
  EXPECT_THAT(refusal(R"({"r":0})", kPair), HasSubstr("\"r\""));
  EXPECT_THAT(refusal(R"({"bias":"some"})", kPair), HasSubstr("some"));
  EXPECT_THAT(refusal(R"({"alpha_pattern":{"layers.[0-4].q":1}})", kPair),
              HasSubstr("regular expression"));
  EXPECT_THAT(refusal("[]", kPair), HasSubstr("adapter_config.json"));
}

TEST_F(Lora, StartsThatChangeTheBaseModelAreRefused) {
  for (const char* start : {"true", "false", "null", "\"gaussian\"", "\"eva\"", "\"orthogonal\""}) {
    EXPECT_THAT(merged(R"({"r":1,"lora_alpha":2,"init_lora_weights":)" + std::string(start) + "}",
                       kPair, "model.layers.0.q.weight"),
                ElementsAre(3, 22, 203, 8, 45, 406))
        << start;
  }
  for (const char* start :
       {"pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga", "Gaussian", ""}) {
    const std::string field = R"("init_lora_weights":")" + std::string(start) + "\"";
    EXPECT_THAT(refusal("{\"r\":1," + field + "}", kPair),
                HasSubstr("\"init_lora_weights\": \"" + std::string(start) + "\""));
  }
  EXPECT_THAT(refusal(R"({"r":1,"init_lora_weights":1})", kPair), HasSubstr("init_lora_weights"));
}

TEST_F(Lora, NoTensorsNoAdapter) {
  folder_.write("adapter_config.json", "{}");
  const Status status = merge_lora(base_weights(), folder_.path()).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("adapter_model.safetensors"));
}

}  // namespace
}  // namespace wde::checkpoint
