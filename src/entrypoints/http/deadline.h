// The time limit of a connection's reads and writes: when it has passed, they are cancelled, and
// the socket stays open for an answer that says so. On the connection's thread of control only.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <utility>

namespace wde::http {

class Deadline {
 public:
  // `socket` must outlive this.
  explicit Deadline(boost::asio::ip::tcp::socket& socket)
      : socket_(socket), timer_(socket.get_executor()) {}

  // From now on, in place of the limit before; `owner` holds this, and is held until then.
  void set(std::chrono::milliseconds from_now, std::shared_ptr<void> owner) {
    passed_ = false;
    wait(from_now, std::move(owner));
  }
  void clear() { timer_.expires_at(boost::asio::steady_timer::time_point::max()); }
  // Since the last set().
  bool passed() const { return passed_; }

 private:
  void wait(std::chrono::milliseconds from_now, std::shared_ptr<void> owner) {
    timer_.expires_after(from_now);
    timer_.async_wait([this, owner = std::move(owner)](boost::system::error_code error) {
      if (!error) on_expiry(owner);
    });
  }

  // Cancels until it is cleared: an operation of several reads may be between two of them.
  void on_expiry(const std::shared_ptr<void>& owner) {
    if (timer_.expiry() > boost::asio::steady_timer::clock_type::now())
      return;  // set anew meanwhile
    passed_ = true;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
    wait(std::chrono::milliseconds(20), owner);
  }

  boost::asio::ip::tcp::socket& socket_;
  boost::asio::steady_timer timer_;
  bool passed_ = false;
};

}  // namespace wde::http
