// One connection: reads requests, hands them to their routes, writes the answers in order. Knows
// nothing of what the routes do.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

#include "entrypoints/http/live_count.h"
#include "entrypoints/http/service.h"

namespace wde::http {

class Session {
 public:
  virtual ~Session() = default;
  // The server stops: an idle connection is closed, a request that has not arrived wholly is
  // refused with 503, a request in work is answered; then the connection is closed. From any
  // thread.
  virtual void stop() = 0;
};

// What the server lends to its connections; outlives them.
struct SessionContext {
  Service& service;
  std::atomic<bool> stopping{false};  // set before stop() is called
  std::atomic<int> computing{0};      // requests that hold a permit of max_concurrent_requests
  std::shared_ptr<LiveCount> live = std::make_shared<LiveCount>();
  std::function<void(std::function<void()>)> run_long;  // runs on the thread for Work::kLong
  std::function<void(std::shared_ptr<Session>)>
      on_closed;  // called once by each, from its own thread
};

// The socket's executor is a strand: the connection's thread of control.
std::shared_ptr<Session> start_session(boost::asio::ip::tcp::socket socket,
                                       SessionContext& context);

}  // namespace wde::http
