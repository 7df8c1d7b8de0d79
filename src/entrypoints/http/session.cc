#include "entrypoints/http/session.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_suffix.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/log.h"
#include "entrypoints/http/deadline.h"
#include "entrypoints/http/permit.h"
#include "entrypoints/http/wire.h"

namespace wde::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using Parser = beast::http::request_parser<beast::http::string_body>;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr size_t kReadBytes = 16 * 1024;

// What becomes of a connection after a request.
enum class Next {
  kRequest,  // the next one
  kClose,    // the end
  kLinger,   // the end, once the client has stopped sending: closing earlier could destroy our
             // answer
};

HttpRequest request_of(const Parser& parser) {
  HttpRequest request;
  request.arrival = Clock::now();
  request.method = std::string(parser.get().method_string());
  request.path = std::string(path_of(parser.get().target()));
  for (const auto& field : parser.get()) {
    request.headers.emplace_back(lower_case(field.name_string()), std::string(field.value()));
  }
  return request;
}

HttpResponse run_guarded(const std::function<HttpResponse()>& make, ErrorStyle errors) {
  try {
    return make();
  } catch (const std::exception& error) {
    log::error("an answer could not be made: {}", error.what());
    return http_error_response(errors, 500, "the answer could not be made");
  }
}

HttpResponse shutting_down(ErrorStyle errors) {
  return error_response(errors, Status(StatusCode::kShuttingDown, "the server is shutting down"));
}

class HttpSession final : public Session, public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(tcp::socket socket, SessionContext& context)
      : token_(context.live),
        context_(context),
        executor_(socket.get_executor()),
        socket_(std::move(socket)),
        deadline_(socket_),
        wake_(executor_, asio::steady_timer::time_point::max()) {}

  void start();
  void stop() override;

 private:
  class SessionReply;

  const ServerOptions& options() const { return context_.service.options; }
  bool stopping() const { return context_.stopping.load(); }

  asio::awaitable<void> run();
  asio::awaitable<Next> serve_one();
  asio::awaitable<bool> wait_for_input();
  asio::awaitable<error_code> read_header(Parser& parser);
  asio::awaitable<error_code> read_body(Parser& parser);
  asio::awaitable<Next> refuse_read(error_code error, const Parser& parser);
  asio::awaitable<Next> compute(const Route& route, HttpRequest request, After after);
  asio::awaitable<HttpResponse> answer_of(const Route& route, HttpRequest& request);
  Next end() const;
  asio::awaitable<bool> send(const HttpRequest& request, HttpResponse response, After after);
  asio::awaitable<void> drain_input();

  void set_deadline(std::chrono::milliseconds from_now) {
    deadline_.set(from_now, shared_from_this());
  }
  void watch_client();
  void on_readable(error_code error, uint64_t exchange);
  void deliver(HttpResponse response);

  const LiveToken token_;
  SessionContext& context_;
  const asio::any_io_executor executor_;
  tcp::socket socket_;
  beast::flat_buffer buffer_{64 * 1024};  // what was read and not yet parsed

  Deadline deadline_;     // of the read or write that is under way
  bool reading_ = false;  // a read is under way that stop() may cut short

  asio::steady_timer wake_;  // cancelled when answer_ is there
  std::optional<HttpResponse> answer_;
  std::function<void()> cancel_;  // while a route works for a client that is still there
  uint64_t exchange_ = 0;         // number of the request that is in work
  bool in_work_ = false;
  bool client_gone_ = false;
};

// Holds its connection until it is answered.
class HttpSession::SessionReply final : public Reply {
 public:
  SessionReply(std::shared_ptr<HttpSession> session, ErrorStyle errors)
      : token_(session->context_.live), errors_(errors), session_(std::move(session)) {}

  ~SessionReply() override {
    if (session_ == nullptr) return;
    answer(Work::kShort, [errors = errors_] {
      return http_error_response(errors, 500, "the request was dropped without an answer");
    });
  }

  void answer(Work work, std::function<HttpResponse()> make) override {
    if (session_ == nullptr) return;
    SessionContext& context = session_->context_;
    const asio::any_io_executor executor = session_->executor_;
    auto respond = [session = std::move(session_), make = std::move(make), errors = errors_] {
      HttpResponse response = run_guarded(make, errors);
      asio::dispatch(session->executor_, [session, response = std::move(response)]() mutable {
        session->deliver(std::move(response));
      });
    };
    if (work == Work::kLong) {
      context.run_long(std::move(respond));
    } else {
      asio::post(executor, std::move(respond));
    }
  }

  void on_disconnect(std::function<void()> cancel) override {
    if (session_ != nullptr) session_->cancel_ = std::move(cancel);
  }

 private:
  // Destroyed last: until then this thread may be inside the server's queues.
  const LiveToken token_;
  const ErrorStyle errors_;
  std::shared_ptr<HttpSession> session_;
};

void HttpSession::start() {
  asio::co_spawn(
      executor_, [self = shared_from_this()] { return self->run(); },
      [self = shared_from_this()](const std::exception_ptr& exception) {
        if (exception != nullptr) log::error("a connection ended with an exception");
        self->deadline_.clear();
        self->context_.on_closed(self);
      });
}

void HttpSession::stop() {
  asio::post(executor_, [self = shared_from_this()] {
    if (self->reading_) self->set_deadline(std::chrono::milliseconds(0));
  });
}

asio::awaitable<void> HttpSession::run() {
  Next next = Next::kRequest;
  while (next == Next::kRequest) next = co_await serve_one();
  if (next == Next::kLinger) co_await drain_input();
  deadline_.clear();
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

asio::awaitable<Next> HttpSession::serve_one() {
  if (!co_await wait_for_input()) co_return Next::kClose;
  Parser parser;
  parser.header_limit(static_cast<uint32_t>(options().header_limit_bytes));
  parser.body_limit(options().payload_limit_bytes);
  error_code error = co_await read_header(parser);
  if (error) co_return co_await refuse_read(error, parser);
  HttpRequest request = request_of(parser);
  Screening screening = screen(options(), request);
  if (auto* refusal = std::get_if<HttpResponse>(&screening)) {
    const bool keep_alive = parser.is_done() && parser.keep_alive() && !stopping();
    const After after = keep_alive ? After::kKeepAlive : After::kClose;
    const bool sent = co_await send(request, std::move(*refusal), after);
    if (!sent) co_return Next::kClose;
    co_return keep_alive ? Next::kRequest : Next::kLinger;
  }
  error = co_await read_body(parser);
  if (error) co_return co_await refuse_read(error, parser);
  request.body = std::move(parser.get().body());
  co_return co_await compute(*std::get<const Route*>(screening), std::move(request),
                             parser.keep_alive() ? After::kKeepAlive : After::kClose);
}

// False when the connection has ended, or was idle for too long, or until the server's stop.
asio::awaitable<bool> HttpSession::wait_for_input() {
  if (buffer_.size() > 0) co_return true;
  error_code error;
  if (!stopping()) {
    reading_ = true;
    set_deadline(options().timeouts.idle);
    auto [read_error, bytes] =
        co_await socket_.async_read_some(buffer_.prepare(kReadBytes), kAwait);
    reading_ = false;
    buffer_.commit(bytes);
    error = read_error;
  }
  // At the stop, what has already come in deserves an answer.
  error_code ignored;
  if (stopping()) co_return buffer_.size() > 0 || socket_.available(ignored) > 0;
  co_return !error;
}

asio::awaitable<error_code> HttpSession::read_header(Parser& parser) {
  if (stopping()) co_return asio::error::operation_aborted;
  reading_ = true;
  set_deadline(options().timeouts.header);
  auto [error, bytes] = co_await beast::http::async_read_header(socket_, buffer_, parser, kAwait);
  reading_ = false;
  deadline_.clear();
  co_return error;
}

asio::awaitable<error_code> HttpSession::read_body(Parser& parser) {
  if (stopping()) co_return asio::error::operation_aborted;
  if (parser.is_done()) co_return error_code();
  reading_ = true;
  set_deadline(options().timeouts.body);
  if (beast::iequals(parser.get()[beast::http::field::expect], "100-continue") &&
      buffer_.size() == 0) {
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    auto [error, written] = co_await asio::async_write(
        socket_, asio::buffer(kContinue.data(), kContinue.size()), kAwait);
    if (error) co_return error;
  }
  auto [error, bytes] = co_await beast::http::async_read(socket_, buffer_, parser, kAwait);
  reading_ = false;
  deadline_.clear();
  co_return error;
}

// Answers what could not be read as a request, where there is a client to answer.
asio::awaitable<Next> HttpSession::refuse_read(error_code error, const Parser& parser) {
  using beast::http::error::body_limit;
  using beast::http::error::end_of_stream;
  using beast::http::error::header_limit;
  using beast::http::error::partial_message;
  const HttpRequest request = request_of(parser);
  const ErrorStyle errors = error_style_of(request.path);
  HttpResponse response;
  if (stopping()) {
    response = shutting_down(errors);
  } else if (deadline_.passed()) {
    response = http_error_response(errors, 408, "the request did not arrive in time");
  } else if (error == body_limit) {
    response = http_error_response(
        errors, 413,
        fmt::format("the body is larger than {} bytes", options().payload_limit_bytes));
  } else if (error == header_limit || error == beast::http::error::buffer_overflow) {
    response = http_error_response(
        errors, 431,
        fmt::format("the header is larger than {} bytes", options().header_limit_bytes));
  } else if (error.category() == make_error_code(body_limit).category() && error != end_of_stream &&
             error != partial_message) {
    response = http_error_response(errors, 400, "this is not an HTTP request: " + error.message());
  } else {
    co_return Next::kClose;
  }
  const bool sent = co_await send(request, std::move(response), After::kClose);
  co_return sent ? Next::kLinger : Next::kClose;
}

asio::awaitable<Next> HttpSession::compute(const Route& route, HttpRequest request, After after) {
  std::optional<Permit> permit;
  HttpResponse response;
  if (route.cost == Cost::kCompute)
    permit.emplace(context_.computing, options().max_concurrent_requests);
  if (stopping()) {
    response = shutting_down(route.errors);
  } else if (permit && !permit->granted()) {
    context_.service.counters.count_overloaded();
    response =
        error_response(route.errors, Status(StatusCode::kOverloaded, "the server is overloaded"));
    permit.reset();
  } else {
    response = co_await answer_of(route, request);
  }
  if (client_gone_) co_return Next::kClose;
  if (stopping()) after = After::kClose;
  const bool sent = co_await send(request, std::move(response), after);
  if (!sent) co_return Next::kClose;
  co_return after == After::kKeepAlive ? Next::kRequest : end();
}

// Of a connection whose last answer was sent.
Next HttpSession::end() const {
  error_code ignored;
  return buffer_.size() > 0 || socket_.available(ignored) > 0 ? Next::kLinger : Next::kClose;
}

asio::awaitable<HttpResponse> HttpSession::answer_of(const Route& route, HttpRequest& request) {
  answer_.reset();
  in_work_ = true;
  ++exchange_;
  watch_client();
  try {
    route.handler(context_.service, request,
                  std::make_shared<SessionReply>(shared_from_this(), route.errors));
  } catch (const std::exception& error) {
    log::error("{} {}: {}", request.method, request.path, error.what());
  }
  request.body = std::string();  // parsed: its memory need not wait for the answer
  while (!answer_) co_await wake_.async_wait(kAwait);
  in_work_ = false;
  cancel_ = nullptr;
  error_code ignored;
  socket_.cancel(ignored);  // ends watch_client()
  co_return std::move(*answer_);
}

void HttpSession::deliver(HttpResponse response) {
  answer_ = std::move(response);
  wake_.cancel();
}

// Notices that the client closes the connection while a route works for it.
void HttpSession::watch_client() {
  socket_.async_wait(tcp::socket::wait_read,
                     [self = shared_from_this(), exchange = exchange_](error_code error) {
                       self->on_readable(error, exchange);
                     });
}

void HttpSession::on_readable(error_code error, uint64_t exchange) {
  if (error || !in_work_ || exchange != exchange_) return;
  char byte = 0;
  socket_.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
  if (error == asio::error::would_block) return watch_client();
  if (!error)
    return;  // the next request, pipelined: it stays in the kernel until this one is answered
  client_gone_ = true;
  if (const auto cancel = std::exchange(cancel_, nullptr)) cancel();
}

asio::awaitable<bool> HttpSession::send(const HttpRequest& request, HttpResponse response,
                                        After after) {
  const auto time = std::chrono::duration<double, std::milli>(Clock::now() - request.arrival);
  log::debug("{} {} {} {:.1f} ms", request.method, request.path, response.status, time.count());
  const std::string head = response_head(response, cors_headers(options(), request), after);
  if (request.method == "HEAD") response.body.clear();
  const std::array<asio::const_buffer, 2> whole = {asio::buffer(head), asio::buffer(response.body)};
  beast::buffers_suffix<std::array<asio::const_buffer, 2>> rest(whole);
  while (beast::buffer_bytes(rest) > 0) {
    set_deadline(options().timeouts.write);
    auto [error, bytes] = co_await socket_.async_write_some(rest, kAwait);
    if (error) co_return false;
    rest.consume(bytes);
  }
  deadline_.clear();
  co_return true;
}

asio::awaitable<void> HttpSession::drain_input() {
  error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  set_deadline(options().timeouts.linger);
  buffer_.clear();
  while (!error && !deadline_.passed()) {
    auto [read_error, bytes] =
        co_await socket_.async_read_some(buffer_.prepare(kReadBytes), kAwait);
    error = read_error;
  }
}

}  // namespace

std::shared_ptr<Session> start_session(tcp::socket socket, SessionContext& context) {
  auto session = std::make_shared<HttpSession>(std::move(socket), context);
  session->start();
  return session;
}

}  // namespace wde::http
