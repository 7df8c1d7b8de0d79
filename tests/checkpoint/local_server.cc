#include "local_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace wde::test {
namespace {

// Up to the empty line; "" when the client went before it.
std::string read_head(int descriptor) {
  std::string head;
  char byte = 0;
  while (!head.ends_with("\r\n\r\n")) {
    if (::recv(descriptor, &byte, 1, 0) != 1) return "";
    head += byte;
  }
  return head;
}

HttpMessage parse_head(const std::string& head) {
  HttpMessage message;
  std::istringstream lines(head);
  std::string line;
  std::getline(lines, line);
  std::istringstream(line) >> message.method >> message.target;
  while (std::getline(lines, line) && line != "\r") {
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
    message.headers[name] = line.substr(colon + 2, line.size() - colon - 3);
  }
  return message;
}

}  // namespace

std::string HttpMessage::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

bool Connection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void Connection::respond(int status, const std::string& headers, std::string_view body) {
  std::ostringstream head;
  head << "HTTP/1.1 " << status << " Status\r\nConnection: close\r\nContent-Length: " << body.size()
       << "\r\n"
       << headers << "\r\n";
  if (send(head.str())) send(body);
}

void Connection::keep_silent() {
  pollfd watched[2] = {{descriptor_, POLLRDHUP, 0}, {stop_descriptor_, POLLIN, 0}};
  ::poll(watched, 2, -1);
}

LocalServer::LocalServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 64) != 0 || ::pipe(stop_) != 0 ||
      ::getsockname(listener_, generic, &size) != 0) {
    throw std::runtime_error("no local server");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_connections(); });
}

LocalServer::~LocalServer() {
  ::close(stop_[1]);  // wakes everybody who polls the other end
  acceptor_.join();
  for (std::thread& connection : connections_) connection.join();
  ::close(listener_);
  ::close(stop_[0]);
}

std::string LocalServer::url() const { return "http://127.0.0.1:" + std::to_string(port_); }

void LocalServer::accept_connections() {
  while (true) {
    pollfd watched[2] = {{listener_, POLLIN, 0}, {stop_[0], POLLIN, 0}};
    ::poll(watched, 2, -1);
    if (watched[1].revents != 0) return;
    const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor >= 0) connections_.emplace_back([this, descriptor] { serve(descriptor); });
  }
}

void LocalServer::serve(int descriptor) {
  const std::string head = read_head(descriptor);
  Connection connection(descriptor, stop_[0]);
  if (!head.empty()) handler_(parse_head(head), connection);
  ::shutdown(descriptor, SHUT_WR);
  ::close(descriptor);
}

}  // namespace wde::test
