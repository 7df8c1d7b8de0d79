// What all connections share: the engine, the options, the counters; and the route table. Knows
// nothing of sockets. Thread-safe; outlives every request.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <variant>

#include "entrypoints/http/errors.h"
#include "entrypoints/http/message.h"
#include "entrypoints/http/options.h"
#include "metrics/server_counters.h"
#include "wde/engine.h"

namespace wde::http {

struct Service {
  Engine& engine;
  const ServerOptions options;
  const int64_t started_unix_s;
  metrics::ServerCounters counters;

  const std::string& model_name() const {
    return options.served_model_name.empty() ? engine.info().model : options.served_model_name;
  }
};

// Takes a request whose body has been read, and sees to it that `reply` is answered. Runs on the
// connection's thread of control: must not block.
using Handler = void (*)(Service& service, const HttpRequest& request,
                         std::shared_ptr<Reply> reply);

enum class Access { kPublic, kNeedsKey };
enum class Cost { kFree, kCompute };  // kCompute: counts against max_concurrent_requests

struct Route {
  std::string_view method;
  std::string_view path;
  Handler handler;
  ErrorStyle errors;
  Access access;
  Cost cost;
  std::string_view summary;
  std::string_view request_schema;   // of openapi.cc; empty: no body
  std::string_view response_schema;  // of openapi.cc; empty: no JSON body
};

// Every route, in the order of the documentation.
std::span<const Route> routes();

// What can be said of a request from its header alone: the route that serves it, or the answer that
// ends it (401, 404, 405, 415, or a CORS preflight's).
using Screening = std::variant<const Route*, HttpResponse>;
Screening screen(const ServerOptions& options, const HttpRequest& head);

bool serves(const Service& service, Task task);

// The CORS headers of any answer to this request.
Headers cors_headers(const ServerOptions& options, const HttpRequest& head);

}  // namespace wde::http
