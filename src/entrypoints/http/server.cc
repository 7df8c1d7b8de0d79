#include "entrypoints/http/server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <thread>
#include <unordered_map>

#include "base/log.h"
#include "base/status.h"
#include "entrypoints/http/session.h"

namespace wde::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

// After an accept that failed (no file descriptors left, say), the next try.
constexpr std::chrono::milliseconds kAcceptRetry{100};

Status check_options(const ServerOptions& options) {
  if (options.port < 0 || options.port > 65535) {
    return invalid_argument_error("port must be between 0 and 65535, not {}", options.port);
  }
  const std::pair<const char*, int> positive[] = {
      {"max-client-batch-size", options.max_client_batch_size},
      {"max-concurrent-requests", options.max_concurrent_requests},
      {"max-connections", options.max_connections},
      {"io-threads", options.io_threads},
  };
  for (const auto& [name, value] : positive) {
    if (value < 1) return invalid_argument_error("{} must be at least 1, not {}", name, value);
  }
  if (options.payload_limit_bytes < 1)
    return invalid_argument_error("payload-limit must be at least 1");
  return {};
}

int64_t unix_time_s() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace

// Everything but the constructor, listen(), stop() and wait() runs on accept_strand_.
class Server::Impl {
 public:
  Impl(Engine& engine, const ServerOptions& options)
      : service_{engine, options, unix_time_s(), {}},
        context_{service_},
        accept_strand_(asio::make_strand(io_)),
        acceptor_(accept_strand_),
        retry_(accept_strand_) {
    context_.run_long = [this](std::function<void()> work) {
      asio::post(long_work_, std::move(work));
    };
    context_.on_closed = [this](std::shared_ptr<Session> session) {
      // The session lives on until it is out of the table, so that its address stays its own.
      asio::post(accept_strand_, [this, session = std::move(session)] { forget(session.get()); });
    };
  }

  ~Impl() {
    if (!threads_.empty()) {
      stop();
      wait();
    }
    work_.reset();
    long_work_.join();
    for (std::thread& thread : threads_) thread.join();
  }

  Status listen();
  void run();
  int port() const { return port_; }
  void stop();
  void wait() { context_.live->wait(); }

 private:
  void accept_next();
  void on_accept(error_code error, tcp::socket socket);
  void forget(Session* session);
  void close_all();

  Service service_;
  SessionContext context_;
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  asio::thread_pool long_work_{1};
  asio::strand<asio::io_context::executor_type> accept_strand_;
  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
  std::unordered_map<Session*, std::weak_ptr<Session>> sessions_;
  bool accepting_ = false;  // an accept is under way; else the connections are at their limit
  int port_ = 0;
  std::vector<std::thread> threads_;
};

Status Server::Impl::listen() {
  const ServerOptions& options = service_.options;
  const std::string service = std::to_string(options.port);
  error_code error;
  const auto found =
      tcp::resolver(io_).resolve(options.hostname, service, tcp::resolver::passive, error);
  if (error || found.empty()) {
    return invalid_argument_error("hostname \"{}\" is not known: {}", options.hostname,
                                  error.message());
  }
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
  if (error)
    return io_error("cannot listen on {}:{}: {}", options.hostname, options.port, error.message());
  port_ = acceptor_.local_endpoint().port();
  return {};
}

void Server::Impl::run() {
  asio::post(accept_strand_, [this] { accept_next(); });
  for (int i = 0; i < service_.options.io_threads; ++i) {
    threads_.emplace_back([this] { io_.run(); });
  }
}

void Server::Impl::accept_next() {
  if (context_.stopping) return;
  accepting_ = sessions_.size() < static_cast<size_t>(service_.options.max_connections);
  if (!accepting_) return;
  acceptor_.async_accept(asio::make_strand(io_), [this](error_code error, tcp::socket socket) {
    on_accept(error, std::move(socket));
  });
}

void Server::Impl::on_accept(error_code error, tcp::socket socket) {
  if (context_.stopping) return;
  if (!error) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.non_blocking(true, ignored);
    std::shared_ptr<Session> session = start_session(std::move(socket), context_);
    Session* const key = session.get();
    sessions_.emplace(key, std::move(session));
    return accept_next();
  }
  if (error == asio::error::connection_aborted) return accept_next();
  log::warning("a connection could not be accepted: {}", error.message());
  retry_.expires_after(kAcceptRetry);
  retry_.async_wait([this](error_code cancelled) {
    if (!cancelled) accept_next();
  });
}

void Server::Impl::forget(Session* session) {
  sessions_.erase(session);
  if (!accepting_) accept_next();
}

void Server::Impl::stop() {
  if (context_.stopping.exchange(true)) return;
  asio::post(accept_strand_, [this] { close_all(); });
}

void Server::Impl::close_all() {
  error_code ignored;
  acceptor_.close(ignored);
  retry_.cancel();
  for (const auto& [key, weak] : sessions_) {
    if (const std::shared_ptr<Session> session = weak.lock()) session->stop();
  }
  context_.live->close();
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(Engine& engine, const ServerOptions& options) {
  WDE_RETURN_IF_ERROR(check_options(options));
  auto impl = std::make_unique<Impl>(engine, options);
  WDE_RETURN_IF_ERROR(impl->listen());
  impl->run();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

int Server::port() const { return impl_->port(); }
void Server::stop() { impl_->stop(); }
void Server::wait() { impl_->wait(); }

}  // namespace wde::http
