// HTTP requests by libcurl, of which nobody else knows. Nothing here waits for ever: connecting, a
// silent server and small requests have their time limits.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "checkpoint/cancellation.h"

namespace wde::checkpoint {

struct HttpOptions {
  // Sent as a bearer token to the host of the request's URL, never to where it redirects (another
  // host, port or scheme).
  std::string token;
  int connect_timeout_s = 10;
  int stall_timeout_s = 10;  // without an answer, or below a kilobyte a second, for so long
};

struct HttpReply {
  long status = 0;                             // 0: no reply
  std::map<std::string, std::string> headers;  // of the last response; names in lower case
  std::string body;        // of a small request; of a failed one, its first bytes
  Status failure;          // kIoError when there was no whole reply; names the URL
  bool transient = false;  // another attempt may succeed

  bool ok() const { return failure.ok() && status >= 200 && status < 300; }
  // A header's value, "" when absent; `name` in lower case.
  const std::string& header(const std::string& name) const;
};

// Takes the next bytes of a 200 or 206 body; false ends the transfer.
using BodySink = std::function<bool(long status, std::string_view bytes)>;

// One connection that is kept for the next request. One thread at a time.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // A small body into memory, within a minute; redirects are followed. More than max_body_bytes is
  // a failure.
  HttpReply get(const std::string& url, size_t max_body_bytes);
  // The headers alone; a redirect is not followed but returned.
  HttpReply head(const std::string& url);
  // The body from first_byte on, into the sink as it comes; redirects are followed. The server may
  // ignore first_byte: then the status that the sink sees is 200 and not 206. Ends early when
  // `cancellation` says so.
  HttpReply download(const std::string& url, uint64_t first_byte, const BodySink& sink,
                     const Cancellation& cancellation);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wde::checkpoint
