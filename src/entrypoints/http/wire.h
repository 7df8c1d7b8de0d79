// The text of HTTP/1.1 that needs no parser: the way from our plain values to bytes, and a few
// pieces of the way back. Stateless.
#pragma once

#include <string>
#include <string_view>

#include "entrypoints/http/message.h"

namespace wde::http {

// What becomes of a connection after an answer.
enum class After { kKeepAlive, kClose };

// Status line and header of an answer, with the empty line; `cors` are further headers.
std::string response_head(const HttpResponse& response, const Headers& cors, After after);

// "/embed" of "/embed?x=1" and of "http://host/embed".
std::string_view path_of(std::string_view target);

// ASCII letters in lower case, everything else as it is.
std::string lower_case(std::string_view name);

}  // namespace wde::http
