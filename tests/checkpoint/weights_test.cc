#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "checkpoint/model_folder.h"
#include "support/paths.h"
#include "temp_folder.h"

namespace wde::checkpoint {
namespace {

using test::f32_safetensors;
using test::TempFolder;
using testing::HasSubstr;

constexpr const char* kIndexName = "model.safetensors.index.json";

float first_value(const TensorView& view) {
  float value = 0;
  std::memcpy(&value, view.data, sizeof(value));
  return value;
}

void write_shards(const TempFolder& folder) {
  folder.write("model-00001-of-00002.safetensors", f32_safetensors({{"a", {1}}, {"b", {2}}}));
  folder.write("model-00002-of-00002.safetensors", f32_safetensors({{"c", {3}}}));
}

Status status_with_index(const TempFolder& folder, const std::string& index) {
  folder.write(kIndexName, index);
  return open_weights(folder.path()).status();
}

TEST(Weights, OpensASingleFile) {
  const TempFolder folder;
  folder.write("model.safetensors", f32_safetensors({{"a", {5}}}));
  const auto weights = open_weights(folder.path());
  ASSERT_TRUE(weights.ok()) << weights.status().message();
  EXPECT_EQ(first_value((*weights)->tensor("a").value()), 5);
}

TEST(Weights, OpensShardsAsOneSource) {
  const TempFolder folder;
  write_shards(folder);
  folder.write(kIndexName, R"({"metadata":{"total_size":12},"weight_map":{
      "a":"model-00001-of-00002.safetensors","b":"model-00001-of-00002.safetensors",
      "c":"model-00002-of-00002.safetensors"}})");
  const auto weights = open_weights(folder.path());
  ASSERT_TRUE(weights.ok()) << weights.status().message();
  EXPECT_THAT((*weights)->names(), testing::ElementsAre("a", "b", "c"));
  EXPECT_EQ(first_value((*weights)->tensor("b").value()), 2);
  EXPECT_EQ(first_value((*weights)->tensor("c").value()), 3);
  const Status missing = (*weights)->tensor("aa").status();
  EXPECT_EQ(missing.code(), StatusCode::kNotFound);
  EXPECT_THAT(missing.message(), HasSubstr("nearest is \"a\""));
}

TEST(Weights, RefusesLyingIndexes) {
  const TempFolder folder;
  write_shards(folder);
  EXPECT_EQ(status_with_index(folder, "{").code(), StatusCode::kDataLoss);
  EXPECT_EQ(status_with_index(folder, "[]").code(), StatusCode::kDataLoss);
  EXPECT_THAT(status_with_index(folder, "{}").message(), HasSubstr("\"weight_map\" is missing"));
  for (const char* file :
       {"\"../x.safetensors\"", "\"/etc/passwd\"", "\"a/../../b\"", "\"\"", "7", "null"}) {
    const Status status =
        status_with_index(folder, std::string(R"({"weight_map":{"a":)") + file + "}}");
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << file;
    EXPECT_THAT(status.message(), HasSubstr("inside the folder")) << file;
  }
  const Status absent = status_with_index(folder, R"({"weight_map":{"a":"model-9.safetensors"}})");
  EXPECT_EQ(absent.code(), StatusCode::kNotFound);
  EXPECT_THAT(absent.message(), HasSubstr("model-9.safetensors"));
  const Status elsewhere =
      status_with_index(folder, R"({"weight_map":{"c":"model-00001-of-00002.safetensors"}})");
  EXPECT_EQ(elsewhere.code(), StatusCode::kDataLoss);
  EXPECT_THAT(elsewhere.message(), HasSubstr("\"c\" is not in model-00001-of-00002.safetensors"));
}

TEST(Weights, OpensShardsOfTorchAsOneSource) {
  const auto weights = open_weights(test::fixture("torch/sharded"));
  ASSERT_TRUE(weights.ok()) << weights.status().message();
  EXPECT_THAT((*weights)->names(), testing::ElementsAre("a", "b", "c"));
  EXPECT_TRUE((*weights)->tensor("c", Shape{2, 2}).ok());
}

TEST(Weights, TakesSafetensorsBeforeTorch) {
  const TempFolder folder;
  folder.write("pytorch_model.bin", test::read_all(test::fixture("torch/linear.pt")));
  ASSERT_TRUE(open_weights(folder.path()).ok());
  EXPECT_TRUE((*open_weights(folder.path()))->has("weight"));
  folder.write("model.safetensors", f32_safetensors({{"a", {5}}}));
  EXPECT_THAT((*open_weights(folder.path()))->names(), testing::ElementsAre("a"));
}

TEST(Weights, SaysHowToConvertWhatTorchAloneReads) {
  const TempFolder folder;
  folder.write("pytorch_model.bin", test::read_all(test::fixture("torch/legacy.pt")));
  const Status status = open_weights(folder.path()).status();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("python3 -c"));
  EXPECT_THAT(status.message(), HasSubstr("'" + folder.path() + "'"));
}

TEST(Weights, NamesTheFolderWithoutAny) {
  const TempFolder folder;
  const Status status = open_weights(folder.path()).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr(folder.path()));
}

}  // namespace
}  // namespace wde::checkpoint
