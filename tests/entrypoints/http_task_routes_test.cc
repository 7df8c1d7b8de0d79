// The routes of the tasks beside embed and hidden, over a real socket.
#include "http_fixture.h"

namespace wde::http::test {
namespace {

class HttpTaskRoutes : public HttpTest {
 protected:
  void start_with(std::vector<Task> tasks, std::vector<std::string> labels = {}) {
    engine_.serve(std::move(tasks), std::move(labels));
    start();
  }
};

TEST_F(HttpTaskRoutes, RerankPutsTheBestFirst) {
  start_with({Task::kRerank});
  EXPECT_EQ(post("/rerank", R"({"query":"q","texts":["a","a b c","a b"]})").body,
            R"([{"index":1,"score":3},{"index":2,"score":2},{"index":0,"score":1}])");
  EXPECT_EQ(post("/rerank", R"({"query":"q","texts":["b","a"],"return_text":true,
    "raw_scores":true,"truncate":false,"truncation_direction":"left"})")
                .body,
            R"([{"index":0,"score":-1,"text":"b"},{"index":1,"score":-1,"text":"a"}])");
  const Request seen = engine_.seen().back();
  EXPECT_EQ(std::get<TextPair>(seen.input).first, "q");
  EXPECT_TRUE(seen.raw_scores);
  EXPECT_EQ(seen.over_long, OverLong::kError);
  EXPECT_EQ(seen.truncation_side, TruncationSide::kLeft);
}

TEST_F(HttpTaskRoutes, RerankRefuses) {
  start_with({Task::kRerank});
  expect_tei_error(post("/rerank", R"({"query":"q","texts":[]})"), 400, "Empty", "texts");
  expect_tei_error(post("/rerank", R"({"texts":["a"]})"), 422, "Validation", "query");
  expect_tei_error(post("/rerank", R"({"query":"q","texts":[1]})"), 422, "Validation", "texts");
  expect_tei_error(post("/rerank", R"({"query":"q"})"), 422, "Validation", "texts");
  std::string many = R"({"query":"q","texts":["a")";
  for (int i = 0; i < 32; ++i) many += R"(,"a")";
  expect_tei_error(post("/rerank", many + "]}"), 422, "Validation", "batch size 33");
}

TEST_F(HttpTaskRoutes, PredictTakesTextsPairsAndBatches) {
  start_with({Task::kClassify}, {"yes", "no"});
  EXPECT_EQ(post("/predict", R"({"inputs":"a b"})").body,
            R"([{"label":"yes","score":2},{"label":"no\"","score":0}])");
  EXPECT_EQ(post("/predict", R"({"inputs":["a","b c d"],"raw_scores":true})").body,
            R"([{"label":"yes","score":6},{"label":"no\"","score":0}])");
  EXPECT_EQ(std::get<TextPair>(engine_.seen().back().input).second, "b c d");
  EXPECT_EQ(post("/predict", R"({"inputs":[["a"],["a","b c"]]})").body,
            R"([[{"label":"yes","score":1},{"label":"no\"","score":0}],)"
            R"([{"label":"yes","score":2},{"label":"no\"","score":0}]])");
  for (const char* wrong :
       {R"({"inputs":3})", R"({"inputs":[["a","b","c"]]})", R"({"inputs":[[]]})",
        R"({"inputs":["a","b","c"]})", R"({"inputs":[["a"],"b"]})"}) {
    expect_tei_error(post("/predict", wrong), 422, "Validation", "inputs");
  }
  expect_tei_error(post("/predict", R"({"inputs":[]})"), 400, "Empty");
}

TEST_F(HttpTaskRoutes, PredictTokensAnswersSpans) {
  start_with({Task::kClassifyTokens}, {"O", "W"});
  const std::string_view span = R"({"start":0,"end":2,"label":"W","score":1,"text":"é"})";
  EXPECT_EQ(post("/predict_tokens", R"({"inputs":"a b"})").body, "[" + std::string(span) + "]");
  EXPECT_EQ(post("/predict_tokens", R"({"inputs":["a b"],"aggregation":"first"})").body,
            "[[" + std::string(span) + "]]");
  EXPECT_EQ(engine_.seen().back().aggregation, Aggregation::kFirst);
  expect_tei_error(post("/predict_tokens", R"({"inputs":"a","aggregation":"best"})"), 422,
                   "Validation", "best");
  expect_tei_error(post("/predict_tokens", R"({"inputs":[1,2]})"), 422, "Validation", "inputs");
}

TEST_F(HttpTaskRoutes, SparseAndHybrid) {
  start_with({Task::kHybrid, Task::kEmbed, Task::kSparse});
  EXPECT_EQ(post("/embed_sparse", R"({"inputs":"a b"})").body,
            R"([[{"index":2,"value":0.5},{"index":9,"value":2}]])");
  EXPECT_EQ(post("/embed_hybrid", R"({"inputs":"a"})").body,
            R"([{"dense":[1,0.5,-0.25,0.1],"sparse":[{"index":1,"value":0.5},)"
            R"({"index":8,"value":1}],"colbert":[[0.25],[1]]}])");
  EXPECT_EQ(engine_.seen().back().task, Task::kHybrid);
  EXPECT_EQ(post("/embed_hybrid", R"({"inputs":["a"],"return":["colbert"]})").body,
            R"([{"colbert":[[0.25],[1]]}])");
  expect_tei_error(post("/embed_hybrid", R"({"inputs":"a","return":["all"]})"), 422, "Validation",
                   "return");
}

TEST_F(HttpTaskRoutes, HybridOfAModelWithOneKindOfVector) {
  start_with({Task::kMultiVector, Task::kHidden});
  EXPECT_EQ(post("/embed_hybrid", R"({"inputs":"a"})").body,
            R"([{"colbert":[[1,0.5,-0.25,0.1]]}])");
  EXPECT_EQ(engine_.seen().back().task, Task::kMultiVector);
  expect_tei_error(post("/embed_hybrid", R"({"inputs":"a","return":["dense"]})"), 424, "Backend");
}

TEST_F(HttpTaskRoutes, SimilarityIsTheCosine) {
  start_with({Task::kEmbed});
  const ClientResponse response = post("/similarity",
                                       R"({"inputs":{"source_sentence":"a","sentences":["b","c d"]},
    "parameters":{"prompt_name":"query"}})");
  const boost::json::value scores = response.json();
  ASSERT_EQ(scores.as_array().size(), 2u) << response.body;
  EXPECT_NEAR(scores.at(0).to_number<double>(), 1 + 0.25 + 0.0625 + 0.01, 1e-6);
  EXPECT_NEAR(scores.at(1).to_number<double>(), 2 + 0.25 + 0.0625 + 0.01, 1e-6);
  EXPECT_EQ(engine_.seen().back().normalize, true);
  EXPECT_EQ(engine_.seen().back().prompt_name, "query");
  expect_tei_error(post("/similarity", R"({"inputs":{"sentences":["b"]}})"), 422, "Validation",
                   "source_sentence");
  expect_tei_error(post("/similarity", R"({"inputs":{"source_sentence":"a","sentences":[]}})"), 400,
                   "Empty");
  expect_tei_error(post("/similarity", R"({"inputs":"a"})"), 422, "Validation", "inputs");
}

// POST / is what the model is for.
TEST_F(HttpTaskRoutes, TheRootOfAReranker) {
  start_with({Task::kRerank, Task::kClassify});
  EXPECT_EQ(post("/", R"({"query":"q","texts":["a"]})").body, R"([{"index":0,"score":1}])");
}

TEST_F(HttpTaskRoutes, TheRootOfAClassifier) {
  start_with({Task::kClassify});
  EXPECT_EQ(post("/", R"({"inputs":"a"})").json().at(0).at("label").as_string(), "yes");
}

TEST_F(HttpTaskRoutes, TheRootOfAnEncoderKnowsSimilarityByItsBody) {
  start_with({Task::kEmbed, Task::kHidden});
  constexpr std::string_view body = R"({"inputs":{"source_sentence":"a","sentences":["b","c d"]}})";
  const ClientResponse response = post("/", body);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, post("/similarity", body).body);
  EXPECT_EQ(post("/", R"({"inputs":["a"]})").body, "[[1,0.5,-0.25,0.1]]");
  expect_tei_error(post("/", R"({"inputs":{"source_sentence":"a"}})"), 422, "Validation",
                   "sentences");
}

TEST_F(HttpTaskRoutes, TheRootOfAClassifierKnowsNoSimilarity) {
  start_with({Task::kClassify});
  expect_tei_error(post("/", R"({"inputs":{"source_sentence":"a","sentences":["b"]}})"), 422,
                   "Validation", "inputs");
}

TEST_F(HttpTaskRoutes, TheRootOfASparseEncoder) {
  start_with({Task::kSparse, Task::kHidden});
  EXPECT_EQ(post("/", R"({"inputs":"a"})").body,
            R"([[{"index":1,"value":0.5},{"index":8,"value":1}]])");
}

TEST_F(HttpTaskRoutes, InfoTellsTheModelsType) {
  start_with({Task::kRerank, Task::kClassify}, {"LABEL_0"});
  EXPECT_EQ(
      get("/info").json().at("model_type"),
      boost::json::parse(R"({"reranker":{"id2label":{"0":"LABEL_0"},"label2id":{"LABEL_0":0}}})"));
}

TEST_F(HttpTaskRoutes, InfoOfAClassifier) {
  start_with({Task::kClassifyTokens}, {"O", "B-PER"});
  EXPECT_EQ(
      get("/info").json().at("model_type"),
      boost::json::parse(
          R"({"classifier":{"id2label":{"0":"O","1":"B-PER"},"label2id":{"O":0,"B-PER":1}}})"));
}

}  // namespace
}  // namespace wde::http::test
