#include "checkpoint/model_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/paths.h"
#include "temp_folder.h"

namespace wde::checkpoint {
namespace {

using test::TempFolder;
using testing::ElementsAre;
using testing::HasSubstr;

const ReadOptions kNoWeights{.weights = false};
constexpr const char* kConfig =
    R"({"architectures":["BertModel"],"model_type":"bert","hidden_size":4})";

std::string dense_weights() {
  return test::safetensors_bytes(
      R"({"linear.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("linear.bias":{"dtype":"F32","shape":[2],"data_offsets":[24,32]}})",
      std::string(32, '\0'));
}

std::string module_entry(const std::string& type, const std::string& path) {
  return R"({"idx":0,"name":"0","path":")" + path + R"(","type":")" + type + "\"}";
}

// A folder whose modules.json holds the Transformer and `more`.
void write_model(const TempFolder& folder, const std::string& more) {
  folder.write("config.json", kConfig);
  folder.write("modules.json", "[" + module_entry("sentence_transformers.models.Transformer", "") +
                                   (more.empty() ? "" : "," + more) + "]");
}

Result<PoolingModule> read_pooling_config(const std::string& config) {
  const TempFolder folder;
  write_model(folder, module_entry("sentence_transformers.models.Pooling", "1_Pooling"));
  folder.write("1_Pooling/config.json", config);
  const auto model = read_model_folder(folder.path(), kNoWeights);
  if (!model.ok()) return model.status();
  return std::get<PoolingModule>(model->modules.at(0));
}

Status status_of(const TempFolder& folder, const ReadOptions& options = kNoWeights) {
  return read_model_folder(folder.path(), options).status();
}

TEST(ModelFolder, ReadsAPlainTransformersModel) {
  const TempFolder folder;
  folder.write("config.json", kConfig);
  folder.write("model.safetensors", test::f32_safetensors({{"a", {1}}}));
  folder.write("tokenizer_config.json", R"({"model_max_length":1000000000000000019884624838656})");
  const auto model = read_model_folder(folder.path() + "/");
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->path, folder.path());
  EXPECT_EQ(model->transformer_path, folder.path());
  EXPECT_THAT(model->architectures, ElementsAre("BertModel"));
  EXPECT_EQ(model->config.at("hidden_size").as_int64(), 4);
  EXPECT_TRUE(model->modules.empty());
  EXPECT_FALSE(model->model_max_length.has_value());
  EXPECT_FALSE(model->max_seq_length.has_value());
  EXPECT_TRUE(model->revision.empty());
  EXPECT_TRUE(model->weights->has("a"));
}

TEST(ModelFolder, ReadsPoolingInAllSpellings) {
  EXPECT_THAT(read_pooling_config(R"({"word_embedding_dimension":4,"pooling_mode_cls_token":true,
      "pooling_mode_mean_tokens":false})")
                  ->modes,
              ElementsAre("cls"));
  EXPECT_THAT(read_pooling_config(R"({"word_embedding_dimension":4,"pooling_mode_mean_tokens":true,
      "pooling_mode_max_tokens":true})")
                  ->modes,
              ElementsAre("max", "mean"));
  EXPECT_THAT(
      read_pooling_config(R"({"word_embedding_dimension":4,"pooling_mode_cls_token":false})")
          ->modes,
      ElementsAre("mean"));
  EXPECT_THAT(read_pooling_config(R"({"embedding_dimension":4,"pooling_mode":"lasttoken"})")->modes,
              ElementsAre("lasttoken"));
  const auto several = read_pooling_config(
      R"({"embedding_dimension":4,"pooling_mode":["mean","weightedmean"],"include_prompt":false})");
  ASSERT_TRUE(several.ok()) << several.status().message();
  EXPECT_THAT(several->modes, ElementsAre("mean", "weightedmean"));
  EXPECT_FALSE(several->include_prompt);
  EXPECT_EQ(several->embedding_dimension, 4);
}

TEST(ModelFolder, RefusesBrokenPooling) {
  EXPECT_EQ(read_pooling_config(R"({"pooling_mode":"mean"})").status().code(),
            StatusCode::kDataLoss);
  const Status unknown =
      read_pooling_config(R"({"embedding_dimension":4,"pooling_mode":"median"})").status();
  EXPECT_EQ(unknown.code(), StatusCode::kUnsupported);
  EXPECT_THAT(unknown.message(), HasSubstr("median"));
  EXPECT_THAT(unknown.message(), HasSubstr("1_Pooling/config.json"));
  EXPECT_FALSE(read_pooling_config(R"({"embedding_dimension":4,"pooling_mode":[]})").ok());
  EXPECT_FALSE(read_pooling_config(R"({"embedding_dimension":4,"pooling_mode":[3]})").ok());
  EXPECT_FALSE(read_pooling_config(R"({"embedding_dimension":"4","pooling_mode":"mean"})").ok());
}

TEST(ModelFolder, ReadsDenseWithItsWeights) {
  const TempFolder folder;
  write_model(
      folder,
      module_entry("sentence_transformers.base.modules.dense.Dense", "2_Dense_2") + "," +
          module_entry("sentence_transformers.models.Dropout", "3_Dropout") + "," +
          module_entry("sentence_transformers.base.modules.normalize.Normalize", "4_Normalize"));
  folder.write("2_Dense_2/config.json", R"({"in_features":3,"out_features":2,"bias":true,
      "activation_function":"torch.nn.modules.linear.Identity","module_input_name":"sentence_embedding",
      "module_output_name":null})");
  folder.write(
      "4_Normalize/config.json",
      R"({"module_input_name":"sentence_embedding","module_output_name":"sentence_embedding"})");
  folder.write("2_Dense_2/model.safetensors", dense_weights());
  folder.write("model.safetensors", test::f32_safetensors({{"a", {1}}}));
  const auto model = read_model_folder(folder.path());
  ASSERT_TRUE(model.ok()) << model.status().message();
  ASSERT_EQ(model->modules.size(), 2U);
  const auto& dense = std::get<DenseModule>(model->modules[0]);
  EXPECT_EQ(dense.in_features, 3);
  EXPECT_EQ(dense.out_features, 2);
  EXPECT_EQ(dense.activation, "torch.nn.modules.linear.Identity");
  EXPECT_EQ(dense.token_level, false);
  EXPECT_TRUE(dense.weights->has("linear.bias"));
  EXPECT_TRUE(std::holds_alternative<NormalizeModule>(model->modules[1]));
}

TEST(ModelFolder, RefusesDenseThatLies) {
  const TempFolder folder;
  write_model(folder, module_entry("sentence_transformers.models.Dense", "2_Dense"));
  folder.write("model.safetensors", test::f32_safetensors({{"a", {1}}}));
  folder.write("2_Dense/config.json", R"({"in_features":4,"out_features":2})");
  EXPECT_EQ(status_of(folder, {}).code(), StatusCode::kNotFound);
  folder.write("2_Dense/model.safetensors", dense_weights());
  const Status shape = status_of(folder, {});
  EXPECT_EQ(shape.code(), StatusCode::kDataLoss);
  EXPECT_THAT(shape.message(), HasSubstr("[2, 3]; expected [2, 4]"));
  folder.write("2_Dense/config.json", R"({"in_features":3,"out_features":2,"use_residual":true})");
  EXPECT_THAT(status_of(folder, {}).message(), HasSubstr("residual.weight"));
  folder.write("2_Dense/config.json",
               R"({"in_features":3,"out_features":2,"module_input_name":"token_embeddings",
                   "module_output_name":"sentence_embedding"})");
  EXPECT_EQ(status_of(folder).code(), StatusCode::kUnsupported);
  folder.write("2_Dense/config.json", R"({"out_features":2})");
  EXPECT_EQ(status_of(folder).code(), StatusCode::kDataLoss);
}

TEST(ModelFolder, RefusesUnknownModulesByName) {
  for (const char* type : {"sentence_transformers.models.LSTM", "custom_st.Transformer",
                           "pylate.models.ColBERT", ""}) {
    const TempFolder folder;
    write_model(folder, module_entry(type, "1_X"));
    const Status status = status_of(folder);
    EXPECT_EQ(status.code(), StatusCode::kUnsupported) << type;
    EXPECT_THAT(status.message(), HasSubstr(type));
  }
  const TempFolder folder;
  folder.write("config.json", kConfig);
  folder.write("modules.json", "[" + module_entry("sentence_transformers.models.BoW", "") + "]");
  EXPECT_THAT(status_of(folder).message(), HasSubstr("BoW"));
}

TEST(ModelFolder, RefusesModulePathsThatLeaveTheFolder) {
  for (const char* path : {"..", "../x", "/etc", "1/../../x", "./1_Pooling", "a//b"}) {
    const TempFolder folder;
    write_model(folder, module_entry("sentence_transformers.models.Pooling", path));
    const Status status = status_of(folder);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << path;
    EXPECT_THAT(status.message(), HasSubstr("leaves the folder")) << path;
  }
}

TEST(ModelFolder, RefusesBrokenModulesJson) {
  for (const char* text : {"", "{}", "[]", "[7]", R"([{"type":7}])", "[{"}) {
    const TempFolder folder;
    folder.write("config.json", kConfig);
    folder.write("modules.json", text);
    const Status status = status_of(folder);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << text;
    EXPECT_THAT(status.message(), HasSubstr("modules.json")) << text;
  }
}

TEST(ModelFolder, ReadsATransformerInASubFolder) {
  const TempFolder folder;
  folder.write(
      "modules.json",
      "[" + module_entry("sentence_transformers.models.Transformer", "0_Transformer") + "]");
  folder.write("0_Transformer/config.json", kConfig);
  folder.write("0_Transformer/sentence_bert_config.json",
               R"({"max_seq_length":77,"do_lower_case":true})");
  const auto model = read_model_folder(folder.path(), kNoWeights);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->transformer_path, folder.path("0_Transformer"));
  EXPECT_EQ(model->max_seq_length, 77);
  EXPECT_TRUE(model->do_lower_case);
  EXPECT_EQ(find_transformer_folder(folder.path() + "/").value(), model->transformer_path);
}

TEST(ModelFolder, FindsATokenizerWithoutAModel) {
  const TempFolder folder;
  EXPECT_EQ(find_transformer_folder(folder.path()).value(), folder.path());
  EXPECT_EQ(find_transformer_folder(folder.path("absent")).status().code(), StatusCode::kNotFound);
  folder.write("modules.json", "{}");
  EXPECT_EQ(find_transformer_folder(folder.path()).status().code(), StatusCode::kDataLoss);
}

TEST(ModelFolder, ReadsPrompts) {
  const TempFolder folder;
  folder.write("config.json", kConfig);
  folder.write("config_sentence_transformers.json",
               R"({"prompts":{"query":"q: ","passage":null},"default_prompt_name":"query"})");
  const auto model = read_model_folder(folder.path(), kNoWeights);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->prompts.at("query"), "q: ");
  EXPECT_EQ(model->prompts.at("passage"), "");
  EXPECT_EQ(model->default_prompt_name, "query");

  folder.write("config_sentence_transformers.json",
               R"({"prompts":{},"default_prompt_name":"document"})");
  EXPECT_EQ(read_model_folder(folder.path(), kNoWeights)->prompts.at("document"), "");
  folder.write("config_sentence_transformers.json",
               R"({"prompts":{"a":"b"},"default_prompt_name":"c"})");
  EXPECT_THAT(status_of(folder).message(), HasSubstr("\"c\" is not among"));
  folder.write("config_sentence_transformers.json", R"({"prompts":{"a":7}})");
  EXPECT_EQ(status_of(folder).code(), StatusCode::kDataLoss);
}

TEST(ModelFolder, NamesWhatIsMissingOrBroken) {
  const TempFolder folder;
  EXPECT_EQ(read_model_folder(folder.path("none")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(status_of(folder).code(), StatusCode::kNotFound);
  EXPECT_THAT(status_of(folder).message(), HasSubstr("no config.json"));
  folder.write("config.json", "{\n  \"a\": }");
  EXPECT_THAT(status_of(folder).message(), HasSubstr("config.json: invalid JSON at line 2"));
  folder.write("config.json", R"({"architectures":"BertModel"})");
  EXPECT_THAT(status_of(folder).message(), HasSubstr("architectures"));
  folder.write("config.json", kConfig);
  EXPECT_THAT(status_of(folder, {}).message(), HasSubstr("no weights"));
  folder.write("tokenizer_config.json", R"({"model_max_length":-1})");
  EXPECT_THAT(status_of(folder).message(), HasSubstr("tokenizer_config.json"));
}

TEST(ModelFolder, KnowsTheCommitOfASnapshot) {
  const TempFolder folder;
  const std::string commit(40, 'a');
  folder.write("snapshots/" + commit + "/config.json", kConfig);
  EXPECT_EQ(read_model_folder(folder.path("snapshots/" + commit), kNoWeights)->revision, commit);
}

struct RealConfig {
  const char* name;
  std::vector<std::string> pooling;
  size_t modules;
  std::optional<int64_t> max_seq_length;
};

TEST(ModelFolder, ReadsRealConfigs) {
  WDE_SKIP_WITHOUT(test::real_data("configs"), "the folder of real configs");
  const std::vector<RealConfig> expected = {
      {"all-MiniLM-L6-v2", {"mean"}, 2, 256},
      {"all-mpnet-base-v2", {"mean"}, 2, 384},
      {"bge-m3-finetune", {"cls"}, 2, 8192},
      {"multilingual-e5-large", {"mean"}, 2, std::nullopt},
      {"LaBSE", {"cls"}, 3, 256},
      {"acge_text_embedding", {"mean"}, 2, 1024},
      {"stella_en_1.5B_v5", {"mean"}, 2, 512},
  };
  for (const RealConfig& real : expected) {
    const std::string path = test::real_data(std::string("configs/") + real.name);
    const auto model = read_model_folder(path, kNoWeights);
    ASSERT_TRUE(model.ok()) << real.name << ": " << model.status().message();
    ASSERT_EQ(model->modules.size(), real.modules) << real.name;
    EXPECT_EQ(std::get<PoolingModule>(model->modules[0]).modes, real.pooling) << real.name;
    EXPECT_EQ(model->max_seq_length, real.max_seq_length) << real.name;
    EXPECT_FALSE(model->architectures.empty()) << real.name;
  }
}

TEST(ModelFolder, ReadsConfigsWithoutModules) {
  for (const char* name : {"gte-small", "bge-reranker-v2-m3", "ms-marco-MiniLM-L-6-v2",
                           "deberta-v3-large", "embeddinggemma-300m"}) {
    const std::string path = test::real_data(std::string("configs/") + name);
    WDE_SKIP_WITHOUT(path, name);
    const auto model = read_model_folder(path, kNoWeights);
    ASSERT_TRUE(model.ok()) << name << ": " << model.status().message();
    EXPECT_TRUE(model->modules.empty());
  }
}

TEST(ModelFolder, ReadsTheRealModel) {
  const std::string path = test::real_model();
  WDE_SKIP_WITHOUT(path, "all-MiniLM-L6-v2");
  const auto model = read_model_folder(path);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->max_seq_length, 256);
  EXPECT_EQ(model->model_max_length, 512);
  EXPECT_EQ(model->modules.size(), 2U);
  EXPECT_TRUE(model->weights->has("embeddings.word_embeddings.weight"));
}

}  // namespace
}  // namespace wde::checkpoint
