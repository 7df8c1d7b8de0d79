// A client on a plain socket, so that the server is not tested with its own library. Blocks; gives
// up after 30 s, so that a server that hangs fails its test.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <map>
#include <string>
#include <string_view>

#include "entrypoints/http/wire.h"

namespace wde::http::test {

struct ClientResponse {
  int status = 0;  // 0: the connection ended before a header was there
  std::map<std::string, std::string> headers;
  std::string body;

  boost::json::value json() const { return boost::json::parse(body); }
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

class Client {
 public:
  explicit Client(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval timeout{30, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool connected() const { return connected_; }
  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

  // False when the server no longer listens to us.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  ClientResponse receive() { return receive_answer_to("GET"); }
  ClientResponse receive_answer_to(std::string_view method) {
    ClientResponse response;
    if (!fill_until([this] { return pending_.find("\r\n\r\n") != std::string::npos; }))
      return response;
    const size_t end = pending_.find("\r\n\r\n");
    parse_head(pending_.substr(0, end + 2), response);
    pending_.erase(0, end + 4);
    const std::string length = response.header("content-length");
    const size_t bytes = method == "HEAD" || length.empty() ? 0 : std::stoul(length);
    fill_until([&] { return pending_.size() >= bytes; });
    response.body = pending_.substr(0, bytes);
    pending_.erase(0, bytes);
    return response;
  }

  ClientResponse request(std::string_view method, std::string_view path, std::string_view body = {},
                         std::string_view headers = {}) {
    send(request_text(method, path, body, headers));
    return receive_answer_to(method);
  }
  ClientResponse post(std::string_view path, std::string_view body, std::string_view headers = {}) {
    return request("POST", path, body, headers);
  }
  ClientResponse get(std::string_view path, std::string_view headers = {}) {
    return request("GET", path, {}, headers);
  }

  // True when the server closed the connection and sent nothing more.
  bool at_end() {
    return pending_.empty() && !fill_until([this] { return !pending_.empty(); });
  }

  static std::string request_text(std::string_view method, std::string_view path,
                                  std::string_view body, std::string_view headers = {}) {
    std::string text(method);
    text.append(" ").append(path).append(" HTTP/1.1\r\nHost: localhost\r\n").append(headers);
    if (method == "POST") text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return text.append("\r\n").append(body);
  }

 private:
  template <class Enough>
  bool fill_until(const Enough& enough) {
    char chunk[16384];
    while (!enough()) {
      const ssize_t received = ::recv(socket_, chunk, sizeof(chunk), 0);
      EXPECT_FALSE(received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
          << "no answer in 30 s";
      if (received <= 0) return false;
      pending_.append(chunk, static_cast<size_t>(received));
    }
    return true;
  }

  static void parse_head(const std::string& head, ClientResponse& response) {
    response.status = std::stoi(head.substr(head.find(' ') + 1));
    for (size_t at = head.find("\r\n") + 2; at < head.size();) {
      const size_t end = head.find("\r\n", at);
      const size_t colon = head.find(": ", at);
      response.headers[lower_case(head.substr(at, colon - at))] =
          head.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
  }

  int socket_;
  bool connected_ = false;
  std::string pending_;
};

}  // namespace wde::http::test
