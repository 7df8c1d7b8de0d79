// Folders of sentence-transformers that are more than a transformer and a pooling, end to end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "support/golden_file.h"
#include "support/paths.h"
#include "wde/engine.h"

namespace wde {
namespace {

using testing::HasSubstr;

std::vector<std::string> folder_golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(test::fixture("folder_goldens"))) {
    names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// "routed.query" is the route "query" of the model "routed".
std::string route_of(const std::string& name) {
  const size_t dot = name.find('.');
  return dot == std::string::npos ? "" : name.substr(dot + 1);
}

std::vector<float> as_dense(const Response& response, size_t columns) {
  if (response.task != Task::kSparse) return response.values;
  std::vector<float> dense(columns, 0.0f);
  for (size_t i = 0; i < response.sparse.indices.size(); ++i) {
    dense.at(static_cast<size_t>(response.sparse.indices[i])) = response.sparse.values[i];
  }
  return dense;
}

void expect_golden(const std::string& name, EngineOptions options) {
  const test::Golden golden = test::read_golden(test::fixture("folder_goldens/" + name + ".json"));
  ASSERT_FALSE(golden.cases.empty());
  options.model = test::fixture(golden.model);
  if (!route_of(name).empty()) options.prompt_name = route_of(name);
  const auto engine = Engine::load(options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  for (const test::GoldenCase& golden_case : golden.cases) {
    SCOPED_TRACE(golden_case.description);
    Request request = golden_case.request;
    request.task = (*engine)->info().tasks.front();
    const Result<Response> answered = (*engine)->run(request);
    ASSERT_TRUE(answered.ok()) << answered.status().message();
    const std::vector<float>& expected = golden_case.embedding;
    float magnitude = 0;
    for (const float value : expected) magnitude = std::max(magnitude, std::abs(value));
    EXPECT_LE(test::largest_difference(as_dense(*answered, expected.size()), expected),
              2e-5f * magnitude);
  }
}

class FolderGolden : public testing::TestWithParam<std::string> {};

TEST_P(FolderGolden, EveryDeviceBackendAndExecutor) {
  expect_golden(GetParam(), {.attention_backend = "flash", .executor = "double_buffer"});
  expect_golden(GetParam(), {.attention_backend = "naive", .executor = "simple"});
  expect_golden(GetParam(), {.device = "emulated", .executor = "double_buffer"});
}

INSTANTIATE_TEST_SUITE_P(Folders, FolderGolden, testing::ValuesIn(folder_golden_names()),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

std::unique_ptr<Engine> load(const std::string& model, const std::string& prompt_name = "") {
  EngineOptions options;
  options.model = test::fixture("folder_models/" + model);
  if (!prompt_name.empty()) options.prompt_name = prompt_name;
  auto engine = Engine::load(options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return engine.ok() ? std::move(*engine) : nullptr;
}

// A request for another route would get this one's vector.
TEST(Router, AnEngineRefusesOtherRoutes) {
  const auto engine = load("routed");
  ASSERT_NE(engine, nullptr);
  EXPECT_THAT(engine->info().routes, testing::ElementsAre("query", "document"));
  EXPECT_EQ(engine->info().route, "document");
  EXPECT_TRUE(engine->run({.input = "a", .prompt_name = "document"}).ok());
  const Status refused = engine->run({.input = "a", .prompt_name = "query"}).status();
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("unknown prompt name \"query\""));
  EXPECT_EQ(load("routed", "query")->info().route, "query");
}

TEST(StaticEmbedding, LoadsTheModulesItNeedsAlone) {
  const auto engine = load("static_embedding");
  ASSERT_NE(engine, nullptr);
  for (const ChosenModule& module : engine->info().modules) EXPECT_NE(module.slot, "attention");
  EXPECT_EQ(engine->info().modules.front().name, "static_embedding");
}

TEST(Truncated, IsAsLongAsTheFolderSays) {
  const auto engine = load("truncated");
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(engine->info().embedding_size, 7);
  EXPECT_EQ(engine->info().similarity, "dot");
  EXPECT_EQ(engine->run({.input = "a", .dimensions = 3})->columns, 3);
  EXPECT_FALSE(engine->run({.input = "a", .dimensions = 8}).ok());
}

}  // namespace
}  // namespace wde
