// Many clients at once, limits on them, and the end of the server.
#include <atomic>

#include "http_fixture.h"

namespace wde::http::test {
namespace {

class HttpServer : public HttpTest {};

std::string body_of(int words) {
  return R"({"inputs":"a)" + std::string(static_cast<size_t>(words) - 1, ' ') + R"("})";
}
std::string answer_of(int words) { return "[[" + std::to_string(words) + ",0.5,-0.25,0.1]]"; }

TEST_F(HttpServer, EveryOneOfManyClientsGetsItsOwnAnswer) {
  constexpr int kClients = 256;
  constexpr int kCalls = 4;
  start();
  engine_.hold();
  std::atomic<int> right{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] {
      Client client(port());
      for (int call = 0; call < kCalls; ++call) {
        const int words = 1 + (i + call) % 90;
        right += client.post("/embed", body_of(words)).body == answer_of(words);
      }
    });
  }
  engine_.await_pending(kClients);  // all of them are in work at the same time
  engine_.release();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(right, kClients * kCalls);
  EXPECT_EQ(engine_.accepted(), static_cast<size_t>(kClients * kCalls));
}

TEST_F(HttpServer, RequestsOverTheLimitAreRefused) {
  ServerOptions options;
  options.max_concurrent_requests = 2;
  start(options);
  engine_.hold();
  Client first(port()), second(port());
  first.send(Client::request_text("POST", "/embed", body_of(1)));
  second.send(Client::request_text("POST", "/embed", body_of(2)));
  engine_.await_pending(2);
  Client third(port());
  expect_tei_error(third.post("/embed", body_of(3)), 429, "Overloaded");
  expect_openai_error(third.post("/v1/embeddings", R"({"input":"a"})"), 429, "rate_limit_error",
                      nullptr, "rate_limit_exceeded");
  EXPECT_EQ(third.get("/health").status, 200);
  EXPECT_NE(third.get("/metrics").body.find("te_request_failure{err=\"overloaded\"} 2\n"),
            std::string::npos);
  engine_.release();
  EXPECT_EQ(first.receive().body, answer_of(1));
  EXPECT_EQ(second.receive().body, answer_of(2));
  // Both permits come back, if not before the answers were read.
  ClientResponse again;
  do {
    again = third.post("/embed", body_of(3));
  } while (again.status == 429);
  EXPECT_EQ(again.body, answer_of(3));
}

TEST_F(HttpServer, ConnectionsOverTheLimitWait) {
  ServerOptions options;
  options.max_connections = 2;
  start(options);
  auto first = std::make_unique<Client>(port());
  Client second(port());
  EXPECT_EQ(first->get("/health").status, 200);
  EXPECT_EQ(second.get("/health").status, 200);
  Client third(port());
  third.send(Client::request_text("GET", "/health", {}));
  EXPECT_EQ(second.get("/health").status, 200);
  first.reset();
  EXPECT_EQ(third.receive().status, 200);
}

TEST_F(HttpServer, StopAnswersWhatWasAccepted) {
  start();
  engine_.hold();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<Client>(port()));
    clients.back()->send(Client::request_text("POST", "/embed", body_of(i + 1)));
  }
  Client idle(port());
  EXPECT_EQ(idle.get("/health").status, 200);
  Client half(port());
  half.send("POST /embed HTTP/1.1\r\nContent-Le");
  engine_.await_pending(20);
  server_->stop();
  EXPECT_TRUE(idle.at_end());
  const ClientResponse refused = half.receive();
  if (refused.status != 0) {  // 0: nothing of it had been read when the server stopped
    expect_tei_error(refused, 503, "Unhealthy");
    EXPECT_EQ(refused.header("connection"), "close");
  }
  const Client late(port());
  EXPECT_FALSE(late.connected());
  engine_.release();
  for (int i = 0; i < 20; ++i) {
    const ClientResponse response = clients[static_cast<size_t>(i)]->receive();
    EXPECT_EQ(response.body, answer_of(i + 1));
    EXPECT_EQ(response.header("connection"), "close");
    EXPECT_TRUE(clients[static_cast<size_t>(i)]->at_end());
  }
  server_->wait();
}

TEST_F(HttpServer, ARequestAfterTheStopIsRefused) {
  start();
  engine_.hold();
  Client client(port());
  client.send(Client::request_text("POST", "/embed", body_of(1)) +
              "POST /embed HTTP/1.1\r\nContent-Length: 9\r\n\r\n");
  engine_.await_pending(1);
  server_->stop();
  engine_.release();
  const ClientResponse response = client.receive();
  EXPECT_EQ(response.body, answer_of(1));
  EXPECT_EQ(response.header("connection"), "close");  // which says that the second was not taken
  EXPECT_TRUE(client.at_end());
  EXPECT_EQ(engine_.accepted(), 1u);
}

TEST_F(HttpServer, StopUnderLoadLosesNoAnswer) {
  start();
  std::atomic<size_t> answered{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&, i] {
      Client client(port());
      for (;;) {
        const ClientResponse response = client.post("/embed", body_of(i + 1));
        if (response.status != 200) {
          wrong += response.status != 0 && response.status != 503;
          return;
        }
        wrong += response.body != answer_of(i + 1);
        ++answered;
        if (response.header("connection") == "close") return;
      }
    });
  }
  while (answered < 500) std::this_thread::yield();
  server_->stop();
  server_->wait();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(answered, engine_.accepted());
}

TEST_F(HttpServer, StopIsIdempotentAndImpliedByDestruction) {
  start();
  server_->stop();
  server_->stop();
  server_->wait();
  server_->wait();
  server_.reset();
  start();
  Client client(port());
  EXPECT_EQ(client.get("/health").status, 200);
  server_.reset();
  EXPECT_TRUE(client.at_end());
}

TEST_F(HttpServer, AnEngineThatShutsDown) {
  start();
  engine_.shutdown();
  expect_tei_error(post("/embed", body_of(1)), 503, "Unhealthy", "shutting down");
}

TEST_F(HttpServer, WrongOptionsAreNamed) {
  const auto expect_refused = [&](ServerOptions options, StatusCode code, std::string_view name) {
    const Result<std::unique_ptr<Server>> server = Server::start(engine_, options);
    ASSERT_FALSE(server.ok());
    EXPECT_EQ(server.status().code(), code);
    EXPECT_NE(server.status().message().find(name), std::string::npos) << server.status().message();
  };
  expect_refused({.port = 65536}, StatusCode::kInvalidArgument, "port");
  expect_refused({.port = 0, .max_client_batch_size = 0}, StatusCode::kInvalidArgument,
                 "max-client-batch-size");
  expect_refused({.hostname = "no such host", .port = 0}, StatusCode::kInvalidArgument,
                 "no such host");
  start();
  expect_refused({.hostname = "127.0.0.1", .port = port()}, StatusCode::kIoError,
                 std::to_string(port()));
}

}  // namespace
}  // namespace wde::http::test
