// Errors as values: what a request, file, environment or device can cause is a Status that says
// what was expected, what was found and where. Public; knows nothing but the standard library.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace wde {

// Few codes: each stands for a different thing the caller can do about it. One table maps them to
// HTTP statuses and one to exit codes (src/entrypoints/status_map.h).
enum class StatusCode {
  kOk = 0,
  kInvalidArgument,    // the caller's input is wrong: a flag, a field, a text, a line
  kEmptyInput,         // the request holds nothing to compute
  kNotFound,           // a file, model, workflow or backend that does not exist
  kDataLoss,           // a file that is broken: truncated, lying, not what it says it is
  kUnsupported,        // well-formed, but no module here serves it
  kOverloaded,         // the queue is full: try again later
  kDeadlineExceeded,   // the request's deadline passed before it was computed
  kCancelled,          // the client took the request back
  kShuttingDown,       // the engine takes no new work
  kResourceExhausted,  // memory or disk is short; the message carries the numbers
  kIoError,            // reading, writing or the network failed
  kDeviceError,        // a copy or a launch failed
  kInternal,           // a bug here
};

// The code's snake_case name, for logs and JSON.
std::string_view status_code_name(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same error, with "context: " put before its message. Ok stays ok.
  Status with_context(std::string_view context) const {
    if (ok()) return *this;
    return Status(code_, std::string(context) + ": " + message_);
  }

  bool operator==(const Status&) const = default;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

// A T or the error that stood in its way. value() on an error aborts with the message: check ok().
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Status status)
      : state_(std::in_place_index<1>, std::move(status)) {}  // NOLINT: implicit by design

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  Status status() const { return ok() ? Status() : std::get<1>(state_); }

  T& value() & { return require(), std::get<0>(state_); }
  const T& value() const& { return require(), std::get<0>(state_); }
  T&& value() && { return require(), std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  void require() const {
    if (!ok()) die(std::get<1>(state_));
  }
  [[noreturn]] static void die(const Status& status);

  std::variant<T, Status> state_;
};

// Prints the status to stderr and aborts: what Result::value() does on an error.
[[noreturn]] void abort_with(const Status& status);

template <class T>
void Result<T>::die(const Status& status) {
  abort_with(status);
}

}  // namespace wde
