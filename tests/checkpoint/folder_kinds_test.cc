// Routers and static tables: what their files say, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/idf_table.h"
#include "checkpoint/model_folder.h"
#include "checkpoint/router.h"
#include "support/paths.h"
#include "temp_folder.h"

namespace wde::checkpoint {
namespace {

using test::TempFolder;
using testing::ElementsAre;
using testing::HasSubstr;

std::string types(const std::string& parameters) {
  return R"({"types":{"a":"x.A","b":"x.B"},"structure":{"query":["a"],"document":["b","a"]},)"
         R"("parameters":)" +
         parameters + "}";
}

std::string route_for(const std::string& parameters, const std::string& task) {
  const TempFolder folder;
  folder.write("router_config.json", types(parameters));
  const Result<Route> route = read_router(folder.path(), task);
  return route.ok() ? route->name : route.status().message();
}

TEST(Router, ChoosesAsSentenceTransformersDoes) {
  const std::string plain = R"({"default_route":"document","allow_empty_key":true})";
  EXPECT_EQ(route_for(plain, "query"), "query");
  EXPECT_EQ(route_for(plain, ""), "document");
  EXPECT_EQ(route_for(plain, "elsewhere"), "document");
  EXPECT_EQ(route_for("{}", ""), "query");  // the first, as Asym had it
  EXPECT_THAT(route_for(R"({"allow_empty_key":false})", ""),
              HasSubstr("must be one of query, document"));
  const std::string mapped = R"json({"default_route":"query","route_mappings":{
      "('search', None)":"document","('search', 'text')":"query","(None, 'text')":"document"}})json";
  EXPECT_EQ(route_for(mapped, "search"), "query");
  EXPECT_EQ(route_for(mapped, ""), "document");
  EXPECT_THAT(route_for(R"json({"route_mappings":{"(None, None)":"nowhere"}})json", ""),
              HasSubstr("\"nowhere\" is not among the routes"));
}

TEST(Router, GivesTheRoutesModules) {
  const TempFolder folder;
  folder.write("config.json", types("{}"));
  const Result<Route> route = read_router(folder.path(), "document");
  ASSERT_TRUE(route.ok()) << route.status().message();
  EXPECT_THAT(route->names, ElementsAre("query", "document"));
  ASSERT_EQ(route->modules.size(), 2u);
  EXPECT_EQ(route->modules[0].type, "x.B");
  EXPECT_EQ(route->modules[1].path, "a");
}

TEST(Router, RefusesLyingFiles) {
  const auto refused = [](const std::string& content, const std::string& part) {
    const TempFolder folder;
    folder.write("router_config.json", content);
    const Status status = read_router(folder.path(), "query").status();
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << status.message();
    EXPECT_THAT(status.message(), HasSubstr(part));
    EXPECT_THAT(status.message(), HasSubstr("router_config.json"));
  };
  refused("[]", "JSON object");
  refused("{}", "names no routes");
  refused(R"({"structure":{"query":[]}})", "is empty");
  refused(R"({"structure":{"query":["../a"]}})", "names of folders");
  refused(R"({"structure":{"query":["a"]}})", "does not say what a is");
  refused(types(R"({"default_route":"x"})"), "\"x\" is not among");
  const TempFolder empty;
  EXPECT_EQ(read_router(empty.path(), "").status().code(), StatusCode::kNotFound);
}

TEST(ModelFolder, FollowsARoute) {
  const std::string path = test::fixture("folder_models/routed");
  const auto query = read_model_folder(path, {.route = "query"});
  ASSERT_TRUE(query.ok()) << query.status().message();
  EXPECT_EQ(query->input, InputModule::kStaticEmbedding);
  EXPECT_EQ(query->transformer_path, path + "/query_0_StaticEmbedding");
  EXPECT_EQ(query->modules.size(), 3u);  // the mean, Dense, Normalize
  EXPECT_THAT(query->architectures, ElementsAre("StaticEmbedding"));
  const auto document = read_model_folder(path);
  ASSERT_TRUE(document.ok()) << document.status().message();
  EXPECT_EQ(document->route, "document");
  EXPECT_THAT(document->architectures, ElementsAre("BertModel"));
  EXPECT_EQ(*find_transformer_folder(path, "query"), path + "/query_0_StaticEmbedding");
}

void write_static(const TempFolder& folder, const std::string& tensors) {
  folder.write(
      "modules.json",
      R"([{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.StaticEmbedding"}])");
  folder.write("model.safetensors", tensors);
}

TEST(StaticTable, HasOneMoreRowOfZeros) {
  const TempFolder folder;
  write_static(folder,
               test::safetensors_bytes(
                   R"({"embedding.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})",
                   std::string(24, '\x40')));
  const auto read = read_model_folder(folder.path());
  ASSERT_TRUE(read.ok()) << read.status().message();
  const auto table = read->weights->tensor("embedding.weight", Shape{3, 3});
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(table->as<float>()[6], 0);
  EXPECT_NE(table->as<float>()[5], 0);
}

TEST(StaticTable, RefusesLyingTensors) {
  const auto refused = [](const std::string& header, size_t bytes, const std::string& part) {
    const TempFolder folder;
    write_static(folder, test::safetensors_bytes(header, std::string(bytes, '\x7f')));
    const Status status = read_model_folder(folder.path()).status();
    EXPECT_FALSE(status.ok()) << part;
    EXPECT_THAT(status.message(), HasSubstr(part));
  };
  refused(R"({"embedding.weight":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}})", 24,
          "must be a table");
  refused(R"({"embedding.weight":{"dtype":"I64","shape":[3,1],"data_offsets":[0,24]}})", 24,
          "must be a table");
  refused(R"({"x":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}})", 24, "\"embeddings\"");
  refused(R"({"embeddings":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
          R"("mapping":{"dtype":"I64","shape":[1],"data_offsets":[16,24]}})",
          24, "token 0 has row");
  refused(R"({"embeddings":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
          R"("weights":{"dtype":"F32","shape":[3],"data_offsets":[16,28]}})",
          28, "expected [2]");
}

TEST(IdfTable, GivesWeightsToIds) {
  const TempFolder folder;
  const std::string idf = folder.write("idf.json", R"({"b":2.5,"[PAD]":1,"nowhere":7,"c":0})");
  const std::string tokenizer = folder.write(
      "tokenizer.json", R"({"added_tokens":[{"id":4,"content":"[PAD]"}],)"
                        R"("model":{"vocab":{"[UNK]":0,"a":1,"b":2,"c":3},"unk_token":"[UNK]"}})");
  const auto weights = read_idf_table(idf, tokenizer);
  ASSERT_TRUE(weights.ok()) << weights.status().message();
  EXPECT_THAT(*weights, ElementsAre(7, 0, 2.5f, 0, 1));
  const std::string list = folder.write("list.json", R"({"model":{"vocab":[["a",1.0]]}})");
  EXPECT_EQ(read_idf_table(idf, list).status().code(), StatusCode::kUnsupported);
  const std::string words = folder.write("words.json", R"({"a":"b"})");
  EXPECT_THAT(read_idf_table(words, tokenizer).status().message(), HasSubstr("\"a\" is no number"));
}

TEST(StaticTable, MayBeAnIdfFile) {
  const TempFolder folder;
  folder.write("modules.json",
               R"([{"path":"q","type":"sentence_transformers.models.SparseStaticEmbedding"}])");
  folder.write("q/config.json", R"({"frozen":true,"path":"idf.json"})");
  folder.write("q/tokenizer.json", R"({"model":{"vocab":{"a":0,"b":1}}})");
  folder.write("idf.json", R"({"b":2.5})");
  const auto read = read_model_folder(folder.path());
  ASSERT_TRUE(read.ok()) << read.status().message();
  const auto table = read->weights->tensor("embedding.weight", Shape{3, 1});
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(table->as<float>()[1], 2.5f);
  folder.write("q/config.json", R"({"path":"../../idf.json"})");
  EXPECT_THAT(read_model_folder(folder.path()).status().message(), HasSubstr("leaves the folder"));
}

TEST(SentenceModules, NamesWhatIsNotSupported) {
  for (const char* module : {"models.CNN", "models.LSTM", "models.BoW", "models.WordEmbeddings",
                             "models.WeightedLayerPooling", "models.CLIPModel"}) {
    const TempFolder folder;
    folder.write("modules.json",
                 std::string(R"([{"type":"sentence_transformers.)") + module + R"(","path":""}])");
    const Status first = read_model_folder(folder.path()).status();
    EXPECT_EQ(first.code(), StatusCode::kUnsupported);
    EXPECT_THAT(first.message(), HasSubstr(module));
    folder.write("modules.json",
                 std::string(R"([{"type":"sentence_transformers.models.Transformer","path":""},)") +
                     R"({"type":"sentence_transformers.)" + module + R"(","path":"1_X"}])");
    EXPECT_THAT(read_model_folder(folder.path()).status().message(), HasSubstr(module));
  }
}

}  // namespace
}  // namespace wde::checkpoint
