#include "entrypoints/http/errors.h"

#include "base/json.h"
#include "base/utf8.h"
#include "entrypoints/status_map.h"

namespace wde::http {
namespace {

std::string_view openai_type(int http_status) {
  if (http_status == 429) return "rate_limit_error";
  return http_status == 424 || http_status >= 500 ? "server_error" : "invalid_request_error";
}

std::string_view openai_code(int http_status) {
  if (http_status == 401) return "\"invalid_api_key\"";
  return http_status == 429 ? "\"rate_limit_exceeded\"" : "null";
}

// The field that a message is about: by our convention such a message begins with its name in
// quotes.
std::string_view named_field(std::string_view message) {
  if (!message.starts_with('"')) return {};
  return message.substr(1, message.find('"', 1) - 1);
}

std::string tei_body(std::string_view error_type, std::string_view message) {
  std::string body = "{\"error\":";
  json::append_string(body, message);
  body += ",\"error_type\":";
  json::append_string(body, error_type);
  return body += '}';
}

std::string openai_body(int http_status, std::string_view message) {
  std::string body = "{\"error\":{\"message\":";
  json::append_string(body, message);
  body += ",\"type\":";
  json::append_string(body, openai_type(http_status));
  body += ",\"param\":";
  if (const std::string_view field = named_field(message); !field.empty()) {
    json::append_string(body, field);
  } else {
    body += "null";
  }
  body += ",\"code\":";
  body += openai_code(http_status);
  return body += "}}";
}

HttpResponse make_error(ErrorStyle style, int http_status, std::string_view error_type,
                        std::string_view message) {
  const std::string text = replace_invalid_utf8(message);
  HttpResponse response;
  response.status = http_status;
  response.body =
      style == ErrorStyle::kTei ? tei_body(error_type, text) : openai_body(http_status, text);
  return response;
}

// TEI's clients know six types; these are the nearest.
std::string_view tei_type(int http_status) {
  if (http_status == 429) return "Overloaded";
  if (http_status == 503) return "Unhealthy";
  return http_status >= 500 ? "Backend" : "Validation";
}

}  // namespace

HttpResponse error_response(ErrorStyle style, const Status& status) {
  const auto& mapping = entrypoints::status_mapping(status.code());
  return make_error(style, mapping.http_status, mapping.error_type, status.message());
}

HttpResponse body_error_response(ErrorStyle style, const Status& status) {
  if (status.code() == StatusCode::kDataLoss) {
    return http_error_response(style, 400, status.message());
  }
  return error_response(style, status);
}

HttpResponse http_error_response(ErrorStyle style, int http_status, std::string_view message) {
  return make_error(style, http_status, tei_type(http_status), message);
}

ErrorStyle error_style_of(std::string_view path) {
  return path.starts_with("/v1/") ? ErrorStyle::kOpenAi : ErrorStyle::kTei;
}

}  // namespace wde::http
