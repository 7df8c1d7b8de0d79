// Every route's answers and errors, over a real socket.
#include <boost/json/serialize.hpp>
#include <set>

#include "entrypoints/http/service.h"
#include "http_fixture.h"

namespace wde::http::test {
namespace {

using boost::json::value;

value parsed(std::string_view text) { return boost::json::parse(text); }

class HttpRoutes : public HttpTest {};

TEST_F(HttpRoutes, EmbedAnswersOneVectorPerInput) {
  start();
  const ClientResponse one = post("/embed", R"({"inputs":"two words"})");
  EXPECT_EQ(one.status, 200);
  EXPECT_EQ(one.header("content-type"), "application/json");
  EXPECT_EQ(one.body, "[[2,0.5,-0.25,0.1]]");  // 0.1f as its shortest decimal
  EXPECT_EQ(post("/embed", R"({"inputs":["a b c",[7],""]})").body,
            "[[3,0.5,-0.25,0.1],[1,0.5,-0.25,0.1],[0,0.5,-0.25,0.1]]");
}

// Where huggingface_hub's client asks when it is given the server's address alone.
TEST_F(HttpRoutes, TheRootIsWhatTheModelIsFor) {
  ServerOptions options;
  options.api_key = "secret";
  start(options);
  const std::string_view body = R"({"inputs":["two words"]})";
  EXPECT_EQ(post("/", body, "Authorization: Bearer secret\r\n").body, "[[2,0.5,-0.25,0.1]]");
  expect_tei_error(post("/", body), 401, "Validation");
  EXPECT_EQ(get("/").status, 200);
  EXPECT_EQ(Client(port()).request("DELETE", "/").header("allow"), "POST, GET, HEAD");
}

TEST_F(HttpRoutes, EmbedPassesItsFieldsOn) {
  ServerOptions options;
  options.over_long = OverLong::kError;
  start(options);
  EXPECT_EQ(post("/embed", R"({"inputs":"a","dimensions":2,"normalize":false,"prompt_name":"query",
    "truncate":true,"truncation_direction":"left"})")
                .body,
            "[[1,0.5]]");
  EXPECT_EQ(post("/embed", R"({"inputs":"a"})").status, 200);
  const std::vector<Request> seen = engine_.seen();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].normalize, false);
  EXPECT_EQ(seen[0].prompt_name, "query");
  EXPECT_EQ(seen[0].over_long, OverLong::kTruncate);
  EXPECT_EQ(seen[0].truncation_side, TruncationSide::kLeft);
  EXPECT_EQ(seen[1].normalize, true);
  EXPECT_EQ(seen[1].over_long, OverLong::kError);
  EXPECT_EQ(seen[1].truncation_side, TruncationSide::kRight);
}

TEST_F(HttpRoutes, OverLongTextsAreAveragedWhereTheServerOrTheRequestSaysSo) {
  start();
  EXPECT_EQ(post("/embed", R"({"inputs":"a","truncate":"average"})").status, 200);
  EXPECT_EQ(engine_.seen().back().over_long, OverLong::kAverage);
  EXPECT_EQ(post("/embed", R"({"inputs":"a"})").status, 200);
  EXPECT_EQ(engine_.seen().back().over_long, OverLong::kTruncate);
}

TEST_F(HttpRoutes, AServerMayAverageByDefault) {
  ServerOptions options;
  options.over_long = OverLong::kAverage;
  start(options);
  for (const char* route : {"/embed", "/v1/embeddings"}) {
    EXPECT_EQ(post(route, R"({"inputs":"a","input":"a"})").status, 200);
    EXPECT_EQ(engine_.seen().back().over_long, OverLong::kAverage) << route;
  }
  EXPECT_EQ(post("/embed", R"({"inputs":"a","truncate":true})").status, 200);
  EXPECT_EQ(engine_.seen().back().over_long, OverLong::kTruncate);
  EXPECT_EQ(get("/info").json().at("auto_truncate"), true);
}

TEST_F(HttpRoutes, EmbedTellsWhatItCost) {
  start();
  const ClientResponse response = post("/embed", R"({"inputs":["héllo you","a"]})");
  EXPECT_EQ(response.header("x-compute-type"), "cpu");
  EXPECT_EQ(response.header("x-compute-characters"), "10");
  EXPECT_EQ(response.header("x-compute-tokens"), "7");
  for (const char* name : {"x-compute-time", "x-total-time", "x-tokenization-time", "x-queue-time",
                           "x-inference-time"}) {
    EXPECT_TRUE(response.headers.contains(name)) << name;
    EXPECT_GE(std::stoi(response.header(name)), 0) << name;
  }
}

TEST_F(HttpRoutes, EmbedAllAnswersARowPerToken) {
  start();
  EXPECT_EQ(post("/embed_all", R"({"inputs":""})").body, "[[[0,0.5,-0.25,0.1],[0,0.5,-0.25,0.1]]]");
  const value two = post("/embed_all", R"({"inputs":["a b","c"]})").json();
  EXPECT_EQ(two.at(0).as_array().size(), 4u);
  EXPECT_EQ(two.at(1).as_array().size(), 3u);
  EXPECT_EQ(engine_.seen().back().task, Task::kHidden);
}

// More values than are written on the connection's own thread.
TEST_F(HttpRoutes, EmbedAllOfManyTokens) {
  ServerOptions options;
  options.max_client_batch_size = 200;
  start(options);
  std::string inputs = "[";
  std::string text(2 * 90 - 1, ' ');
  for (int i = 0; i < 200; ++i) inputs += (i == 0 ? "\"" : ",\"") + text + "\"";
  const ClientResponse response = post("/embed_all", R"({"inputs":)" + inputs + "]}");
  EXPECT_EQ(response.status, 200);
  const value rows = response.json();
  EXPECT_EQ(rows.as_array().size(), 200u);
  EXPECT_EQ(rows.at(199).as_array().size(), 182u);
}

TEST_F(HttpRoutes, TeiErrors) {
  start();
  expect_tei_error(post("/embed", R"({"inputs":[]})"), 400, "Empty", "inputs");
  expect_tei_error(post("/embed", R"({"inputs":[[]]})"), 400, "Empty");
  expect_tei_error(post("/embed", "{\"inputs\":\n oops"), 400, "Validation", "line 2, column 2");
  expect_tei_error(post("/embed", "{\"inputs\":\"\xff\"}"), 400, "Validation", "line 1");
  expect_tei_error(post("/embed", R"({"inputs":3})"), 422, "Validation", "inputs");
  expect_tei_error(post("/embed", R"({"inputs":"a","dimensions":0})"), 422, "Validation",
                   "dimensions");
  expect_tei_error(post("/embed", R"({"inputs":"a","dimensions":5})"), 422, "Validation",
                   "dimensions");
  expect_tei_error(post("/embed", R"({"inputs":"a","prompt_name":"no"})"), 422, "Validation", "no");
  expect_tei_error(post("/embed_all", R"({"inputs":[]})"), 400, "Empty");
}

TEST_F(HttpRoutes, OverLongIsRefusedWhereItMayNotBeTruncated) {
  start();
  const std::string text(2 * FakeEngine::kMaxWords + 1, ' ');
  expect_tei_error(post("/embed", R"({"truncate":false,"inputs":")" + text + R"("})"), 422,
                   "Validation", "limit is 100");
  EXPECT_EQ(post("/embed", R"({"inputs":")" + text + R"("})").status, 200);
  // One of several: the call fails as a whole, and with that one's error.
  expect_tei_error(post("/embed", R"({"truncate":false,"inputs":["a",")" + text + R"(","b"]})"),
                   422, "Validation", "limit is 100");
}

TEST_F(HttpRoutes, ABatchOverTheLimitIsRefused) {
  ServerOptions options;
  options.max_client_batch_size = 2;
  start(options);
  EXPECT_EQ(post("/embed", R"({"inputs":["a","b"]})").status, 200);
  expect_tei_error(post("/embed", R"({"inputs":["a","b","c"]})"), 422, "Validation",
                   "batch size 3 > maximum allowed batch size 2");
  expect_tei_error(post("/embed_all", R"({"inputs":["a","b","c"]})"), 422, "Validation",
                   "batch size 3");
  expect_tei_error(post("/tokenize", R"({"inputs":["a","b","c"]})"), 422, "Validation",
                   "batch size 3");
  expect_tei_error(post("/decode", R"({"ids":[[1],[1],[1]]})"), 422, "Validation", "batch size 3");
  expect_openai_error(post("/v1/embeddings", R"({"input":["a","b","c"]})"), 422,
                      "invalid_request_error", nullptr, nullptr);
  EXPECT_EQ(engine_.accepted(), 2u);
}

TEST_F(HttpRoutes, ATaskThatTheModelDoesNotServe) {
  engine_.serve_only(Task::kEmbed);
  start();
  expect_tei_error(post("/embed_all", R"({"inputs":"a"})"), 424, "Backend", "does not serve");
}

TEST_F(HttpRoutes, AFullQueueTakesTheWholeBatchBack) {
  engine_.hold();
  engine_.limit_queue(2);
  start();
  expect_tei_error(post("/embed", R"({"inputs":["a","b","c"]})"), 429, "Overloaded", "full");
  engine_.await_cancelled(2);
  EXPECT_EQ(engine_.pending(), 0u);
}

TEST_F(HttpRoutes, OpenAiEmbeddings) {
  ServerOptions options;
  options.served_model_name = "a-name";
  start(options);
  EXPECT_EQ(
      post("/v1/embeddings", R"({"input":"a b","model":"any"})").body,
      R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[2,0.5,-0.25,0.1]}],)"
      R"("model":"a-name","usage":{"prompt_tokens":4,"total_tokens":4}})");
  const ClientResponse two = post("/embeddings", R"({"input":[[1,2,3],[4]],"dimensions":1})");
  EXPECT_EQ(two.header("x-compute-tokens"), "8");
  EXPECT_EQ(two.json().at("data").at(1),
            parsed(R"({"object":"embedding","index":1,"embedding":[1]})"));
  EXPECT_EQ(two.json().at("usage").at("total_tokens"), 8);
  EXPECT_EQ(engine_.seen().back().normalize, true);
}

TEST_F(HttpRoutes, OpenAiBase64IsLittleEndianFp32) {
  start();
  const value body = post("/v1/embeddings", R"({"input":"a b","encoding_format":"base64"})").json();
  // 2.0f 0.5f -0.25f 0.1f = 00000040 0000003f 000080be cdcccc3d
  EXPECT_EQ(body.at("data").at(0).at("embedding").as_string(), "AAAAQAAAAD8AAIC+zczMPQ==");
}

TEST_F(HttpRoutes, OpenAiErrors) {
  start();
  const std::string_view kind = "invalid_request_error";
  expect_openai_error(post("/v1/embeddings", R"({"input":[]})"), 400, kind, "input", nullptr);
  expect_openai_error(post("/v1/embeddings", R"({"input")"), 400, kind, nullptr, nullptr);
  expect_openai_error(post("/v1/embeddings", R"({"inputs":"a"})"), 422, kind, "input", nullptr);
  expect_openai_error(post("/embeddings", R"({"input":"a","dimensions":0})"), 422, kind,
                      "dimensions", nullptr);
  expect_openai_error(post("/embeddings", R"({"input":"a","encoding_format":"x"})"), 422, kind,
                      "encoding_format", nullptr);
  expect_openai_error(get("/v1/nothing"), 404, kind, nullptr, nullptr);
  engine_.shutdown();
  expect_openai_error(post("/v1/embeddings", R"({"input":"a"})"), 503, "server_error", nullptr,
                      nullptr);
}

TEST_F(HttpRoutes, OpenAiModels) {
  start();
  const value body = get("/v1/models").json();
  EXPECT_EQ(body.at("object"), "list");
  ASSERT_EQ(body.at("data").as_array().size(), 1u);
  const value& model = body.at("data").at(0);
  EXPECT_EQ(model.at("id"), "test/model");
  EXPECT_EQ(model.at("object"), "model");
  EXPECT_EQ(model.at("owned_by"), "wde");
  EXPECT_GT(model.at("created").as_int64(), 1'600'000'000);
}

TEST_F(HttpRoutes, TokenizeTellsOffsetsInCodePoints) {
  start();
  EXPECT_EQ(post("/tokenize", R"({"inputs":"héé 你"})").json(),
            parsed(R"([[{"id":101,"text":"[CLS]","special":true,"start":null,"stop":null},
                        {"id":3,"text":"héé","special":false,"start":0,"stop":3},
                        {"id":1,"text":"你","special":false,"start":4,"stop":5},
                        {"id":102,"text":"[SEP]","special":true,"start":null,"stop":null}]])"));
  EXPECT_EQ(post("/tokenize", R"({"inputs":["a",""],"add_special_tokens":false})").json(),
            parsed(R"([[{"id":1,"text":"a","special":false,"start":0,"stop":1}],[]])"));
  expect_tei_error(post("/tokenize", R"({"inputs":[]})"), 400, "Empty");
  expect_tei_error(post("/tokenize", R"({"inputs":[1]})"), 422, "Validation");
}

TEST_F(HttpRoutes, TokenizePutsThePromptBefore) {
  start();
  const ClientResponse response =
      post("/tokenize", R"({"inputs":"a","prompt_name":"query","add_special_tokens":false})");
  EXPECT_EQ(response.json(), parsed(R"([[{"id":4,"text":"ask:","special":false,"start":0,"stop":4},
                                         {"id":1,"text":"a","special":false,"start":5,"stop":6}]])"));
  expect_tei_error(post("/tokenize", R"({"inputs":"a","prompt_name":"no"})"), 422, "Validation",
                   "document, query");
}

TEST_F(HttpRoutes, Decode) {
  start();
  EXPECT_EQ(post("/decode", R"({"ids":[101,5,102]})").body, R"(["#5"])");
  EXPECT_EQ(post("/decode", R"({"ids":[[101,5],[]],"skip_special_tokens":false})").body,
            R"(["#101#5",""])");
  expect_tei_error(post("/decode", R"({"ids":[5000]})"), 422, "Validation", "5000");
  expect_tei_error(post("/decode", R"({"ids":[]})"), 400, "Empty");
}

TEST_F(HttpRoutes, Info) {
  ServerOptions options;
  options.tokenization_workers = 3;
  start(options);
  value expected = parsed(R"({"model_id":"test/model","model_sha":"abc123","model_dtype":"float32",
    "served_model_name":"test/model","model_type":{"embedding":{"pooling":"mean"}},
    "max_concurrent_requests":512,"max_input_length":100,"max_batch_tokens":16384,"max_batch_requests":64,
    "max_client_batch_size":32,"auto_truncate":true,"tokenization_workers":3,"sha":null})");
  value found = get("/info").json();
  EXPECT_FALSE(found.at("version").as_string().empty());
  found.as_object().erase("version");
  EXPECT_EQ(found, expected) << boost::json::serialize(found);
}

TEST_F(HttpRoutes, Health) {
  start();
  for (const char* path : {"/health", "/", "/ping", "/health?verbose=1"}) {
    const ClientResponse response = get(path);
    EXPECT_EQ(response.status, 200) << path;
    EXPECT_EQ(response.body, "") << path;
  }
}

TEST_F(HttpRoutes, MetricsCountRequests) {
  ServerOptions options;
  options.max_client_batch_size = 2;
  start(options);
  post("/embed", R"({"inputs":"a"})");
  post("/embed", R"({"inputs":["a","b"]})");
  post("/v1/embeddings", R"({"input":["a"]})");
  post("/embed", R"({"inputs":["a","b","c"]})");
  post("/embed", R"({"inputs":[]})");
  const ClientResponse response = get("/metrics");
  EXPECT_TRUE(response.header("content-type").starts_with("text/plain; version=0.0.4"));
  for (const char* line :
       {"te_queue_size 0\n", "te_request_count{method=\"single\"} 1\n",
        "te_request_count{method=\"batch\"} 3\n", "te_request_success{method=\"single\"} 1\n",
        "te_request_success{method=\"batch\"} 2\n", "te_request_failure{err=\"batch_size\"} 1\n",
        "te_request_failure{err=\"validation\"} 1\n", "te_request_failure{err=\"overloaded\"} 0\n",
        "te_request_duration_count 3\n", "te_request_inference_duration_count 3\n",
        "te_request_queue_duration_count 3\n", "te_request_tokenization_duration_count 3\n"}) {
    EXPECT_NE(response.body.find(line), std::string::npos) << line << "is not in\n"
                                                           << response.body;
  }
}

void collect_references(const value& from, std::set<std::string>& found) {
  if (const auto* list = from.if_array()) {
    for (const value& item : *list) collect_references(item, found);
  } else if (const auto* members = from.if_object()) {
    for (const auto& [key, member] : *members) {
      if (key == "$ref") found.insert(std::string(member.as_string()));
      collect_references(member, found);
    }
  }
}

TEST_F(HttpRoutes, OpenapiDescribesExactlyTheRoutes) {
  start();
  const value document = get("/openapi.json").json();
  size_t operations = 0;
  for (const auto& [path, methods] : document.at("paths").as_object())
    operations += methods.as_object().size();
  EXPECT_EQ(operations, routes().size());
  for (const Route& route : routes()) {
    const value& path = document.at("paths").at(route.path);
    EXPECT_TRUE(path.as_object().contains(lower_case(route.method))) << route.path;
  }
  std::set<std::string> references;
  collect_references(document, references);
  EXPECT_FALSE(references.empty());
  for (const std::string& reference : references) {
    const std::string prefix = "#/components/schemas/";
    ASSERT_TRUE(reference.starts_with(prefix)) << reference;
    EXPECT_TRUE(document.at("components")
                    .at("schemas")
                    .as_object()
                    .contains(reference.substr(prefix.size())))
        << reference;
  }
}

TEST_F(HttpRoutes, DocsPageNamesEveryRoute) {
  start();
  const ClientResponse response = get("/docs");
  EXPECT_TRUE(response.header("content-type").starts_with("text/html"));
  for (const Route& route : routes()) {
    EXPECT_NE(response.body.find("<code>" + std::string(route.path) + "</code>"), std::string::npos)
        << route.path;
  }
}

TEST_F(HttpRoutes, UnknownPathsAndMethods) {
  start();
  expect_tei_error(get("/nothing"), 404, "Validation", "/nothing");
  expect_tei_error(get("/\xff\xfe"), 404, "Validation");
  const ClientResponse wrong = get("/embed");
  expect_tei_error(wrong, 405, "Validation", "POST");
  EXPECT_EQ(wrong.header("allow"), "POST");
  EXPECT_EQ(Client(port()).request("DELETE", "/info").header("allow"), "GET, HEAD");
}

TEST_F(HttpRoutes, HeadIsGetWithoutABody) {
  start();
  Client client(port());
  const ClientResponse head = client.request("HEAD", "/info");
  EXPECT_EQ(head.status, 200);
  EXPECT_GT(std::stoi(head.header("content-length")), 10);
  EXPECT_EQ(client.get("/health").status, 200);  // nothing of a body was in between
}

TEST_F(HttpRoutes, TheKey) {
  ServerOptions options;
  options.api_key = "secret";
  start(options);
  const std::string_view body = R"({"inputs":"a"})";
  expect_tei_error(post("/embed", body), 401, "Validation");
  expect_tei_error(post("/embed", body, "Authorization: Bearer wrong!\r\n"), 401, "Validation");
  expect_tei_error(post("/embed", body, "Authorization: Bearer secret2\r\n"), 401, "Validation");
  expect_tei_error(post("/embed", body, "Authorization: secret\r\n"), 401, "Validation");
  EXPECT_EQ(post("/embed", body, "Authorization: Bearer secret\r\n").status, 200);
  expect_openai_error(post("/v1/embeddings", R"({"input":"a"})"), 401, "invalid_request_error",
                      nullptr, "invalid_api_key");
  EXPECT_EQ(get("/info").status, 401);
  EXPECT_EQ(get("/v1/models").status, 401);
  for (const char* open : {"/health", "/metrics", "/docs", "/openapi.json"})
    EXPECT_EQ(get(open).status, 200) << open;
}

TEST_F(HttpRoutes, CompressedBodiesAreRefused) {
  start();
  EXPECT_EQ(post("/embed", "x", "Content-Encoding: gzip\r\n").status, 415);
}

TEST_F(HttpRoutes, CorsForAnyOrigin) {
  start();
  EXPECT_EQ(get("/health", "Origin: http://a.example\r\n").header("access-control-allow-origin"),
            "*");
  EXPECT_FALSE(get("/health").headers.contains("access-control-allow-origin"));
  const ClientResponse preflight =
      Client(port()).request("OPTIONS", "/embed", {},
                             "Origin: http://a.example\r\nAccess-Control-Request-Method: POST\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.header("access-control-allow-methods"), "GET, POST");
  EXPECT_EQ(preflight.header("access-control-allow-headers"), "content-type, authorization");
  const ClientResponse asked =
      Client(port()).request("OPTIONS", "/v1/embeddings", {},
                             "Origin: http://a.example\r\nAccess-Control-Request-Method: POST\r\n"
                             "Access-Control-Request-Headers: authorization,x-stainless-lang\r\n");
  EXPECT_EQ(asked.header("access-control-allow-headers"), "authorization,x-stainless-lang");
}

TEST_F(HttpRoutes, CorsForListedOrigins) {
  ServerOptions options;
  options.cors_allow_origin = {"http://a.example", "http://b.example"};
  start(options);
  const ClientResponse listed = get("/nothing", "Origin: http://b.example\r\n");  // errors too
  EXPECT_EQ(listed.header("access-control-allow-origin"), "http://b.example");
  EXPECT_EQ(listed.header("vary"), "origin");
  EXPECT_FALSE(get("/health", "Origin: http://c.example\r\n")
                   .headers.contains("access-control-allow-origin"));
}

}  // namespace
}  // namespace wde::http::test
