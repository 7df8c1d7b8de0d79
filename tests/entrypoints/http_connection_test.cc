// What a connection bears: pieces, pipelines, limits, slow and vanishing clients.
#include "http_fixture.h"

namespace wde::http::test {
namespace {

constexpr std::string_view kBody = R"({"inputs":"a b"})";
constexpr std::string_view kAnswer = "[[2,0.5,-0.25,0.1]]";

class HttpConnection : public HttpTest {
 protected:
  // Options under which a slow client is soon given up.
  static ServerOptions impatient() {
    ServerOptions options;
    options.timeouts.idle = std::chrono::milliseconds(50);
    options.timeouts.header = std::chrono::milliseconds(50);
    options.timeouts.body = std::chrono::milliseconds(50);
    return options;
  }
};

TEST_F(HttpConnection, IsKeptAlive) {
  start();
  Client client(port());
  for (int i = 0; i < 3; ++i) {
    const ClientResponse response = client.post("/embed", kBody);
    EXPECT_EQ(response.body, kAnswer);
    EXPECT_EQ(response.header("connection"), "keep-alive");
  }
  EXPECT_EQ(client.get("/nothing").status, 404);
  EXPECT_EQ(client.get("/health").status, 200);
}

TEST_F(HttpConnection, IsClosedWhenAsked) {
  start();
  Client client(port());
  EXPECT_EQ(client.post("/embed", kBody, "Connection: close\r\n").header("connection"), "close");
  EXPECT_TRUE(client.at_end());
  Client old(port());
  old.send("GET /health HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.receive().status, 200);
  EXPECT_TRUE(old.at_end());
}

TEST_F(HttpConnection, PipelinedRequestsAreAnsweredInOrder) {
  start();
  Client client(port());
  std::string pipeline;
  for (int words = 1; words <= 40; ++words) {
    const std::string text(static_cast<size_t>(words) - 1, ' ');
    pipeline += Client::request_text("POST", "/embed", R"({"inputs":"a)" + text + R"("})");
    pipeline += Client::request_text("GET", "/health", {});
  }
  client.send(pipeline);
  for (int words = 1; words <= 40; ++words) {
    EXPECT_EQ(client.receive().body, "[[" + std::to_string(words) + ",0.5,-0.25,0.1]]");
    EXPECT_EQ(client.receive().body, "");
  }
}

TEST_F(HttpConnection, ARequestMayComeByteByByte) {
  start();
  Client client(port());
  for (const char byte : Client::request_text("POST", "/embed", kBody)) client.send({&byte, 1});
  EXPECT_EQ(client.receive().body, kAnswer);
}

TEST_F(HttpConnection, ChunkedBodies) {
  start();
  Client client(port());
  const std::string head = "POST /embed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  client.send(head + "5\r\n{\"inp\r\n");
  client.send("b;ext=1\r\nuts\":\"a b\"}\r\n0\r\nTrailer: x\r\n\r\n");
  EXPECT_EQ(client.receive().body, kAnswer);
  client.send(head + "zz\r\n");
  EXPECT_EQ(client.receive().status, 400);
}

TEST_F(HttpConnection, ExpectContinue) {
  start();
  Client client(port());
  const std::string head =
      "POST /embed HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ";
  client.send(head + std::to_string(kBody.size()) + "\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100);
  client.send(kBody);
  EXPECT_EQ(client.receive().body, kAnswer);
  client.send(head + "2000001\r\n\r\n");  // refused before it is sent
  EXPECT_EQ(client.receive().status, 413);
}

TEST_F(HttpConnection, ABodyOverTheLimit) {
  ServerOptions options;
  options.payload_limit_bytes = 1000;
  start(options);
  const std::string padding(1000 - kBody.size(), ' ');
  EXPECT_EQ(post("/embed", std::string(kBody) + padding).status, 200);
  expect_tei_error(post("/embed", std::string(kBody) + padding + " "), 413, "Validation",
                   "1000 bytes");
  expect_openai_error(post("/v1/embeddings", std::string(5'000'000, ' ')), 413,
                      "invalid_request_error", nullptr, nullptr);
  Client chunked(port());
  chunked.send("POST /embed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "200\r\n" + std::string(512, ' ') + "\r\n";
  chunked.send(chunk + chunk);
  expect_tei_error(chunked.receive(), 413, "Validation", "1000 bytes");
  EXPECT_TRUE(chunked.at_end());
}

TEST_F(HttpConnection, AHeaderOverTheLimit) {
  start();
  EXPECT_EQ(get("/health", "X-Long: " + std::string(15'000, 'x') + "\r\n").status, 200);
  EXPECT_EQ(get("/health", "X-Long: " + std::string(17'000, 'x') + "\r\n").status, 431);
  Client endless(port());
  endless.send("GET /health HTTP/1.1\r\n");
  while (endless.send("X-Field: " + std::string(1000, 'x') + "\r\n")) {
  }
}

TEST_F(HttpConnection, WhatIsNoHttp) {
  start();
  for (const std::string_view text :
       {"hello\r\n\r\n", "GET /health HTTP/9.9\r\n\r\n", "GET  HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nx\r\n\r\n", "POST /embed HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST /embed HTTP/1.1\r\nContent-Length: 1x\r\n\r\n",
        "POST /embed HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST /embed HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n"}) {
    Client client(port());
    client.send(text);
    const ClientResponse response = client.receive();
    EXPECT_EQ(response.status, 400) << text;
    EXPECT_TRUE(client.at_end()) << text;
  }
  EXPECT_EQ(get("/health").status, 200);
}

TEST_F(HttpConnection, AnIdleClientIsClosed) {
  start(impatient());
  Client silent(port());
  EXPECT_TRUE(silent.at_end());
  Client kept(port());
  EXPECT_EQ(kept.get("/health").status, 200);
  EXPECT_TRUE(kept.at_end());
}

TEST_F(HttpConnection, ASlowHeaderIsGivenUp) {
  ServerOptions options = impatient();
  options.timeouts.idle = std::chrono::minutes(5);
  start(options);
  Client client(port());
  client.send("GET /health HT");
  expect_tei_error(client.receive(), 408, "Validation");
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpConnection, ASlowBodyIsGivenUp) {
  ServerOptions options = impatient();
  options.timeouts.idle = options.timeouts.header = std::chrono::minutes(5);
  start(options);
  Client client(port());
  client.send("POST /v1/embeddings HTTP/1.1\r\nContent-Length: 100\r\n\r\n{");
  expect_openai_error(client.receive(), 408, "invalid_request_error", nullptr, nullptr);
  EXPECT_TRUE(client.at_end());
}

// Bytes that keep coming do not make a slow request a live one: its time is counted from its first
// byte.
TEST_F(HttpConnection, ADrippingHeaderIsGivenUp) {
  ServerOptions options = impatient();
  options.timeouts.idle = std::chrono::minutes(5);
  options.timeouts.linger = std::chrono::milliseconds(1);
  start(options);
  Client client(port());
  client.send("GET /health HTTP/1.1\r\nX-Drip: ");
  std::thread dripping([&] {
    while (client.send("x")) std::this_thread::yield();
  });
  const int status = client.receive().status;
  dripping.join();
  EXPECT_TRUE(status == 408 || status == 431) << status;
}

TEST_F(HttpConnection, AVanishedClientCancelsItsRequests) {
  engine_.hold();
  start();
  Client client(port());
  client.send(Client::request_text("POST", "/embed", R"({"inputs":["a","b","c"]})"));
  engine_.await_pending(3);
  client.close();
  engine_.await_cancelled(3);
  engine_.release();
  EXPECT_EQ(post("/embed", kBody).body, kAnswer);
}

TEST_F(HttpConnection, AClientThatVanishesWithinItsBodyIsForgotten) {
  start();
  Client(port()).send("POST /embed HTTP/1.1\r\nContent-Length: 100\r\n\r\n{");
  EXPECT_EQ(post("/embed", kBody).body, kAnswer);
  EXPECT_EQ(engine_.accepted(), 1u);
}

TEST_F(HttpConnection, AClientThatDoesNotReadHoldsNobodyUp) {
  ServerOptions options;
  options.timeouts.write = std::chrono::milliseconds(50);
  options.max_client_batch_size = 1000;
  start(options);
  std::string inputs = R"({"inputs":["a")";
  for (int i = 1; i < 1000; ++i) inputs += ",\"" + std::string(90, ' ') + "\"";
  const std::string request = Client::request_text("POST", "/embed_all", inputs + "]}");
  Client deaf(port());
  for (int i = 0; i < 20; ++i) deaf.send(request);
  EXPECT_EQ(post("/embed", kBody).body, kAnswer);
  server_->stop();
  server_->wait();
}

}  // namespace
}  // namespace wde::http::test
