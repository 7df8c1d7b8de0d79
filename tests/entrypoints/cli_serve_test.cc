// `wde serve` as its clients meet it: the real process, over real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "entrypoints/cli_process.h"
#include "entrypoints/http_client.h"
#include "support/paths.h"

namespace wde::cli {
namespace {

using http::test::Client;
using http::test::ClientResponse;
using test::Ended;
using test::Process;

constexpr const char* kReady = "ready at http://127.0.0.1:";

// An environment variable of the processes that are started while it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

// Of a server that has said that it is ready; 0 where it ended instead.
int await_port(const Process& process) {
  if (!process.await_said(kReady)) return 0;
  const std::string said = process.said();
  return std::stoi(said.substr(said.find(kReady) + std::string_view(kReady).size()));
}

// One text of so many words, or a batch of such texts.
std::string text_of(int words) {
  std::string text = "\"a";
  for (int i = 1; i < words; ++i) text += " boat";
  return text + "\"";
}
std::string single(int words) { return "{\"inputs\":" + text_of(words) + "}"; }
std::string batch(int texts) {
  std::string inputs = text_of(1);
  for (int i = 1; i < texts; ++i) inputs += "," + text_of(1 + i % 30);
  return "{\"inputs\":[" + inputs + "]}";
}

// The number behind `name` in a text of metrics or of the log; -1 where it is not there.
int number_behind(const std::string& text, const std::string& name) {
  const size_t at = text.find(name);
  return at == std::string::npos ? -1 : std::stoi(text.substr(at + name.size()));
}

// What clients see who ask one thing after the other, on connections that stay open, until they are
// refused.
struct Load {
  std::atomic<int> right{0};    // 200 and the bytes that the text has when it is alone
  std::atomic<int> wrong{0};    // neither that nor refused as a whole
  std::atomic<int> refused{0};  // 503, or the end of the connection without a byte
  std::vector<std::jthread> clients;

  void start(int port, const std::string& body, const std::string& expected) {
    clients.emplace_back([this, port, body, expected] { ask(port, body, expected); });
  }
  void ask(int port, const std::string& body, const std::string& expected) {
    Client client(port);
    for (;;) {
      const ClientResponse response = client.post("/embed", body);
      if (response.status == 503 || (response.status == 0 && client.at_end())) {
        ++refused;
        return;
      }
      const bool answered = response.status == 200 && response.body == expected;
      ++(answered ? right : wrong);
      if (!answered || response.header("connection") == "close") return;
    }
  }
};

// As many batches as there are clients, all of them taken by the server.
void send_to_all(const std::vector<std::unique_ptr<Client>>& clients, int port,
                 const std::string& body) {
  constexpr const char* kTaken = "te_request_count{method=\"batch\"} ";
  Client watcher(port);
  const int taken = number_behind(watcher.get("/metrics").body, kTaken);
  for (const auto& client : clients) client->send(Client::request_text("POST", "/embed", body));
  for (;;) {
    const ClientResponse metrics = watcher.get("/metrics");
    ASSERT_EQ(metrics.status, 200);
    if (number_behind(metrics.body, kTaken) >= taken + static_cast<int>(clients.size())) return;
  }
}

// Ends a server under load; `pending` becomes how many texts it had accepted and not answered.
void end_under_load(int* pending) {
  constexpr int kSingles = 16;
  constexpr int kBatches = 8;
  constexpr int kTexts = 256;
  Load load;  // joined when the server is gone
  Process process({"serve", "-m", wde::test::fixture("models/mean_normalize"), "--hostname",
                   "127.0.0.1", "--port", "0", "--max-client-batch-size", std::to_string(kTexts)});
  const int port = await_port(process);
  ASSERT_GT(port, 0) << process.said();

  const std::string expected = Client(port).post("/embed", batch(kTexts)).body;
  for (int i = 0; i < kSingles; ++i) {
    load.start(port, single(1 + i), Client(port).post("/embed", single(1 + i)).body);
  }
  while (load.right < 10 * kSingles) {
    ASSERT_EQ(load.wrong + load.refused, 0);
    std::this_thread::yield();
  }
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kBatches; ++i) clients.push_back(std::make_unique<Client>(port));
  ASSERT_NO_FATAL_FAILURE(send_to_all(clients, port, batch(kTexts)));
  process.send(SIGTERM);

  for (const auto& client : clients) {
    const ClientResponse response = client->receive();
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.body == expected) << response.body.substr(0, 200);
  }
  load.clients.clear();
  EXPECT_EQ(load.wrong, 0);
  const Ended ended = process.wait();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  *pending = number_behind(ended.err, "new requests are refused, ");
  EXPECT_GE(*pending, 0) << ended.err;
  EXPECT_FALSE(Client(port).connected());
}

TEST(Serve, SigtermUnderLoadAnswersWhatWasAccepted) {
  int pending = 0;
  // A server that was quicker than the signal shows nothing.
  for (int attempt = 0; attempt < 5 && pending == 0; ++attempt) {
    ASSERT_NO_FATAL_FAILURE(end_under_load(&pending));
  }
  EXPECT_GT(pending, 0);
}

// Docker puts a machine's name there; text-embeddings-inference's users write the others.
TEST(Serve, TakesTheEnvironmentOfTextEmbeddingsInference) {
  const Variable hostname("HOSTNAME", "my-pod-abc");
  const Variable dtype("DTYPE", "float32");
  const Variable pooling("POOLING", "last-token");
  Process process({"serve", "-m", wde::test::fixture("models/mean_normalize"), "--port", "0"});
  ASSERT_TRUE(process.await_said("ready at http://0.0.0.0:")) << process.said();
  EXPECT_THAT(process.said(), testing::HasSubstr("HOSTNAME is my-pod-abc, no IP address"));
  process.send(SIGTERM);
  EXPECT_EQ(process.wait().exit_code, 0);
}

TEST(Serve, TheCommandLineWinsOverTheEnvironment) {
  const Variable hostname("HOSTNAME", "127.0.0.1");
  const Variable truncate("AUTO_TRUNCATE", "true");
  Process process({"serve", "-m", wde::test::fixture("models/mean_normalize"), "--port", "0",
                   "--truncate", "error"});
  const int port = await_port(process);
  ASSERT_GT(port, 0) << process.said();
  EXPECT_EQ(Client(port).post("/embed", single(5000)).status, 422);
}

TEST(Serve, PoolingSpladeIsATask) {
  const Variable hostname("HOSTNAME", "127.0.0.1");
  Process process({"serve", "-m", wde::test::fixture("task_models/bert_sparse"), "--port", "0",
                   "--pooling", "splade"});
  const int port = await_port(process);
  ASSERT_GT(port, 0) << process.said();
  EXPECT_EQ(Client(port).post("/embed_sparse", single(3)).status, 200);
}

}  // namespace
}  // namespace wde::cli
