// The one table from a Status to what a client of an entry point sees: the process's exit code, the
// HTTP status, and TEI's error_type. Knows nothing of either entry point.
#pragma once

#include <array>
#include <string_view>

#include "wde/status.h"

namespace wde::entrypoints {

// What was going on when a status came up: an architecture that nobody serves is a failure of the
// machine (exit 1), a task that the loaded model does not serve is a wrong command line (exit 2).
enum class Phase { kLoad, kRequest };

struct StatusMapping {
  StatusCode code;
  int exit_at_load;
  int exit_at_request;
  int http_status;
  std::string_view error_type;  // of TEI's {"error", "error_type"}; empty for kOk
};

inline constexpr auto kStatusMappings = std::to_array<StatusMapping>({
    {StatusCode::kOk, 0, 0, 200, ""},
    {StatusCode::kInvalidArgument, 2, 2, 422, "Validation"},
    {StatusCode::kEmptyInput, 2, 2, 400, "Empty"},
    {StatusCode::kNotFound, 1, 2, 422, "Validation"},
    {StatusCode::kDataLoss, 1, 1, 424, "Backend"},
    {StatusCode::kUnsupported, 1, 2, 424, "Backend"},
    {StatusCode::kOverloaded, 1, 1, 429, "Overloaded"},
    {StatusCode::kDeadlineExceeded, 1, 1, 429, "Overloaded"},
    {StatusCode::kCancelled, 1, 1, 424, "Backend"},
    {StatusCode::kShuttingDown, 1, 1, 503, "Unhealthy"},
    {StatusCode::kResourceExhausted, 1, 1, 424, "Backend"},
    {StatusCode::kIoError, 1, 1, 424, "Backend"},
    {StatusCode::kDeviceError, 1, 1, 424, "Backend"},
    {StatusCode::kInternal, 1, 1, 424, "Backend"},
});

// The row of a code; the table is in the enum's order and holds every code (cli_status_map_test).
constexpr const StatusMapping& status_mapping(StatusCode code) {
  return kStatusMappings[static_cast<size_t>(code)];
}

constexpr int exit_code(StatusCode code, Phase phase) {
  const StatusMapping& mapping = status_mapping(code);
  return phase == Phase::kLoad ? mapping.exit_at_load : mapping.exit_at_request;
}

}  // namespace wde::entrypoints
