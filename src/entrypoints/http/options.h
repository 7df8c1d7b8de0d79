// How the HTTP server is run: TEI's options with TEI's defaults, and the limits on slow clients.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "wde/types.h"

namespace wde::http {

// How long a client may keep the server waiting before its connection is closed.
struct ClientTimeouts {
  std::chrono::milliseconds idle{75'000};    // between two requests of a kept-alive connection
  std::chrono::milliseconds header{10'000};  // from a request's first byte to the end of its header
  std::chrono::milliseconds body{60'000};    // from the end of the header to the end of the body
  std::chrono::milliseconds write{30'000};   // without taking a byte of its answer
  std::chrono::milliseconds linger{2'000};  // to stop sending after an answer that refuses its body
};

struct ServerOptions {
  std::string hostname = "0.0.0.0";
  int port = 3000;  // 0: any free port
  int max_client_batch_size = 32;
  size_t payload_limit_bytes = 2'000'000;
  size_t header_limit_bytes = 16 * 1024;
  int max_concurrent_requests = 512;           // that compute; one more is answered 429
  int max_connections = 2048;                  // one more waits to be accepted
  std::string api_key;                         // empty: nobody needs a key
  OverLong over_long = OverLong::kTruncate;    // where a request does not say `truncate`
  std::string served_model_name;               // empty: the model's name as it was asked for
  std::vector<std::string> cors_allow_origin;  // empty or with "*": any origin
  int tokenization_workers = 1;                // told in /info
  int io_threads = 2;
  ClientTimeouts timeouts;
};

}  // namespace wde::http
