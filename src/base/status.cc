#include "base/status.h"

#include <cstdio>

namespace wde {

std::string_view status_code_name(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return "ok";
    case StatusCode::kInvalidArgument:
      return "invalid_argument";
    case StatusCode::kEmptyInput:
      return "empty_input";
    case StatusCode::kNotFound:
      return "not_found";
    case StatusCode::kDataLoss:
      return "data_loss";
    case StatusCode::kUnsupported:
      return "unsupported";
    case StatusCode::kOverloaded:
      return "overloaded";
    case StatusCode::kDeadlineExceeded:
      return "deadline_exceeded";
    case StatusCode::kCancelled:
      return "cancelled";
    case StatusCode::kShuttingDown:
      return "shutting_down";
    case StatusCode::kResourceExhausted:
      return "resource_exhausted";
    case StatusCode::kIoError:
      return "io_error";
    case StatusCode::kDeviceError:
      return "device_error";
    case StatusCode::kInternal:
      return "internal";
  }
  return "unknown";
}

void abort_with(const Status& status) {
  const std::string_view name = status_code_name(status.code());
  std::fprintf(stderr, "wde: value() of a failed Result (%.*s): %s\n",
               static_cast<int>(name.size()), name.data(), status.message().c_str());
  std::abort();
}

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "wde: check failed at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace wde
