#include "entrypoints/http/wire.h"

#include <fmt/core.h>
#include <boost/beast/http/status.hpp>

namespace wde::http {

std::string response_head(const HttpResponse& response, const Headers& cors, After after) {
  const auto status = static_cast<boost::beast::http::status>(response.status);
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status,
                                 std::string_view(boost::beast::http::obsolete_reason(status)));
  const auto append = [&](std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
  };
  if (!response.content_type.empty()) append("content-type", response.content_type);
  if (response.status != 204) append("content-length", std::to_string(response.body.size()));
  for (const auto& [name, value] : response.headers) append(name, value);
  for (const auto& [name, value] : cors) append(name, value);
  append("connection", after == After::kKeepAlive ? "keep-alive" : "close");
  return head += "\r\n";
}

std::string_view path_of(std::string_view target) {
  if (!target.starts_with('/')) {
    const size_t authority = target.find("://");
    const size_t path =
        authority == std::string_view::npos ? authority : target.find('/', authority + 3);
    if (path != std::string_view::npos) target.remove_prefix(path);
  }
  return target.substr(0, target.find('?'));
}

std::string lower_case(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  return lower;
}

}  // namespace wde::http
