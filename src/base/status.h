// The library's side of wde/status.h: constructors with fmt, early-return macros, and the check for
// what input can't reach.
#pragma once

#include <fmt/core.h>

#include <utility>

#include "wde/status.h"

namespace wde {

#define WDE_STATUS_FACTORY(function, code)                                             \
  template <class... Args>                                                             \
  Status function(fmt::format_string<Args...> format, Args&&... args) {                \
    return Status(StatusCode::code, fmt::format(format, std::forward<Args>(args)...)); \
  }
WDE_STATUS_FACTORY(invalid_argument_error, kInvalidArgument)
WDE_STATUS_FACTORY(empty_input_error, kEmptyInput)
WDE_STATUS_FACTORY(not_found_error, kNotFound)
WDE_STATUS_FACTORY(data_loss_error, kDataLoss)
WDE_STATUS_FACTORY(unsupported_error, kUnsupported)
WDE_STATUS_FACTORY(overloaded_error, kOverloaded)
WDE_STATUS_FACTORY(deadline_exceeded_error, kDeadlineExceeded)
WDE_STATUS_FACTORY(cancelled_error, kCancelled)
WDE_STATUS_FACTORY(shutting_down_error, kShuttingDown)
WDE_STATUS_FACTORY(resource_exhausted_error, kResourceExhausted)
WDE_STATUS_FACTORY(io_error, kIoError)
WDE_STATUS_FACTORY(device_error, kDeviceError)
WDE_STATUS_FACTORY(internal_error, kInternal)
#undef WDE_STATUS_FACTORY

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace wde

// For invariants that no input can break; aborts with the condition and the place.
#define WDE_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::wde::check_failed(#condition, __FILE__, __LINE__))

#define WDE_RETURN_IF_ERROR(expression)                                                  \
  do {                                                                                   \
    if (::wde::Status wde_status_ = (expression); !wde_status_.ok()) return wde_status_; \
  } while (false)

#define WDE_CONCAT_INNER(a, b) a##b
#define WDE_CONCAT(a, b) WDE_CONCAT_INNER(a, b)
#define WDE_ASSIGN_OR_RETURN(lhs, expression) \
  WDE_ASSIGN_OR_RETURN_IMPL(WDE_CONCAT(wde_result_, __LINE__), lhs, expression)
#define WDE_ASSIGN_OR_RETURN_IMPL(result, lhs, expression) \
  auto result = (expression);                              \
  if (!result.ok()) return result.status();                \
  lhs = std::move(result).value()
