// The HTTP server: a listener, a few threads for all connections, and one for what takes long. Owns
// nothing of the engine, which must outlive it.
#pragma once

#include <memory>

#include "entrypoints/http/options.h"
#include "wde/engine.h"

namespace wde::http {

// Thread-safe. Destruction stops and waits.
class Server {
 public:
  // Listens, and answers from now on. Errors: kInvalidArgument (an option: the message names it),
  // kIoError (the address can't be listened on).
  static Result<std::unique_ptr<Server>> start(Engine& engine, const ServerOptions& options);
  ~Server();

  // The port that is listened on: options.port, or the one the system chose for 0.
  int port() const;

  // Takes no new connection and no new request (503); what was accepted is answered, then its
  // connection is closed; idle connections are closed at once. Returns at once; idempotent. The
  // engine must go on working until wait() returns.
  void stop();
  // Blocks until stop() was called and every connection is closed.
  void wait();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wde::http
