// Errors as the clients of each family of routes expect them.
#pragma once

#include <string_view>

#include "base/status.h"
#include "entrypoints/http/message.h"

namespace wde::http {

enum class ErrorStyle {
  kTei,     // {"error", "error_type"}
  kOpenAi,  // {"error": {"message", "type", "param", "code"}}
};

// What a Status of the engine is for a client, by the table in entrypoints/status_map.h.
HttpResponse error_response(ErrorStyle style, const Status& status);

// What is wrong with a body (entrypoints/http/bodies.h): 400 for broken JSON (kDataLoss), else as
// above.
HttpResponse body_error_response(ErrorStyle style, const Status& status);

// An error of HTTP itself: 401, 404, 405, 413 …
HttpResponse http_error_response(ErrorStyle style, int http_status, std::string_view message);

// The style for a path that no route serves: OpenAI's below /v1/, else TEI's.
ErrorStyle error_style_of(std::string_view path);

}  // namespace wde::http
