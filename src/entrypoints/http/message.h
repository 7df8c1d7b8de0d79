// A request and its answer as plain values, and the way from the one to the other. What a route
// knows of HTTP; it knows nothing of sockets.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wde/types.h"

namespace wde::http {

using Headers = std::vector<std::pair<std::string, std::string>>;  // names in lower case

struct HttpRequest {
  std::string method;
  std::string path;  // without the query
  Headers headers;
  std::string body;
  Clock::time_point arrival;  // when its header had been read

  // The value of a header, named in lower case; empty when it is absent.
  std::string_view header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return {};
  }
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  Headers headers;
  std::string body;
};

// Where a piece of work is done: on the connection's own thread of control, which must not be held
// up, or on the thread for what takes longer than a millisecond or so.
enum class Work { kShort, kLong };

// The client's side of one request: takes the answer. A reply that dies unanswered answers 500.
class Reply {
 public:
  virtual ~Reply() = default;

  // Runs `make` on a thread of the server and sends what it returns. Called once, from any thread;
  // returns at once.
  virtual void answer(Work work, std::function<HttpResponse()> make) = 0;

  // `cancel` is called at most once, when the client goes away before the answer was made. To be
  // called from within the route's handler only, whose thread of control also runs `cancel`.
  virtual void on_disconnect(std::function<void()> cancel) = 0;
};

}  // namespace wde::http
