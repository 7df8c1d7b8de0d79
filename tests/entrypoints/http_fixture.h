// A server on a free port of this machine, before a fake engine.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "entrypoints/http/server.h"
#include "http_client.h"
#include "http_fake_engine.h"

namespace wde::http::test {

class HttpTest : public ::testing::Test {
 protected:
  // options.hostname and options.port are this function's.
  void start(ServerOptions options = {}) {
    options.hostname = "127.0.0.1";
    options.port = 0;
    Result<std::unique_ptr<Server>> server = Server::start(engine_, options);
    ASSERT_TRUE(server.ok()) << server.status().message();
    server_ = std::move(*server);
  }

  int port() const { return server_->port(); }
  ClientResponse post(std::string_view path, std::string_view body, std::string_view headers = {}) {
    return Client(port()).post(path, body, headers);
  }
  ClientResponse get(std::string_view path, std::string_view headers = {}) {
    return Client(port()).get(path, headers);
  }

  FakeEngine engine_;
  std::unique_ptr<Server> server_;
};

// {"error": …, "error_type": …}
inline void expect_tei_error(const ClientResponse& response, int status, std::string_view type,
                             std::string_view message_part = {}) {
  EXPECT_EQ(response.status, status) << response.body;
  EXPECT_EQ(response.header("content-type"), "application/json");
  const boost::json::value body = response.json();
  EXPECT_EQ(body.at("error_type").as_string(), type);
  EXPECT_NE(std::string_view(body.at("error").as_string()).find(message_part),
            std::string_view::npos)
      << response.body;
}

// {"error": {"message": …, "type": …, "param": …, "code": …}}
inline void expect_openai_error(const ClientResponse& response, int status, std::string_view type,
                                const boost::json::value& param, const boost::json::value& code) {
  EXPECT_EQ(response.status, status) << response.body;
  const boost::json::value body = response.json();
  const boost::json::value& error = body.at("error");
  EXPECT_EQ(error.as_object().size(), 4u);
  EXPECT_FALSE(error.at("message").as_string().empty());
  EXPECT_EQ(error.at("type").as_string(), type);
  EXPECT_EQ(error.at("param"), param);
  EXPECT_EQ(error.at("code"), code);
}

}  // namespace wde::http::test
