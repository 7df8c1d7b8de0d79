// A small HTTP/1.1 server on a free port of the loopback, for tests: one thread a connection, one
// request a connection, and a handler that may do anything to it: answer, break off, or keep
// silent.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace wde::test {

struct HttpMessage {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  // names in lower case

  std::string header(const std::string& name) const;
};

class Connection {
 public:
  Connection(int descriptor, int stop_descriptor)
      : descriptor_(descriptor), stop_descriptor_(stop_descriptor) {}

  // False once the client has gone.
  bool send(std::string_view bytes);
  // A whole response; adds Content-Length.
  void respond(int status, const std::string& headers, std::string_view body);
  // Says nothing more until the client goes or the server ends.
  void keep_silent();

 private:
  int descriptor_;
  int stop_descriptor_;
};

class LocalServer {
 public:
  using Handler = std::function<void(const HttpMessage&, Connection&)>;

  explicit LocalServer(Handler handler);
  ~LocalServer();  // waits for its threads
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

  std::string url() const;  // "http://127.0.0.1:<port>"

 private:
  void accept_connections();
  void serve(int descriptor);

  Handler handler_;
  int listener_ = -1;
  int stop_[2] = {-1, -1};
  int port_ = 0;
  std::vector<std::thread> connections_;
  std::thread acceptor_;
};

}  // namespace wde::test
