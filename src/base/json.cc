#include "base/json.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/file.h"

namespace wde::json {
namespace {

constexpr size_t kMaxDepth = 64;

std::string_view kind_name(const value& found) {
  switch (found.kind()) {
    case boost::json::kind::null:
      return "null";
    case boost::json::kind::bool_:
      return "a boolean";
    case boost::json::kind::int64:
    case boost::json::kind::uint64:
      return "an integer";
    case boost::json::kind::double_:
      return "a number";
    case boost::json::kind::string:
      return "a string";
    case boost::json::kind::array:
      return "an array";
    case boost::json::kind::object:
      return "an object";
  }
  return "?";
}

Status type_error(std::string_view key, std::string_view expected, const value& found) {
  return data_loss_error("\"{}\" must be {}, not {}", key, expected, kind_name(found));
}

const value* find_member(const object& from, std::string_view key) {
  const value* member = from.if_contains(key);
  return member == nullptr || member->is_null() ? nullptr : member;
}

}  // namespace

Result<value> parse(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::json::stream_parser parser({}, options);
  boost::system::error_code error;
  const size_t consumed = parser.write(text.data(), text.size(), error);
  if (!error) parser.finish(error);
  if (!error) return parser.release();
  const std::string_view before = text.substr(0, std::min(consumed, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t line_start = before.rfind('\n');
  const size_t column =
      before.size() - (line_start == std::string_view::npos ? 0 : line_start + 1) + 1;
  return data_loss_error("invalid JSON at line {}, column {}: {}", line, column, error.message());
}

Result<value> parse_file(const std::string& path, size_t max_bytes) {
  WDE_ASSIGN_OR_RETURN(const std::string text, read_file(path, max_bytes));
  Result<value> parsed = parse(text);
  if (!parsed.ok()) return parsed.status().with_context(path);
  return parsed;
}

Result<int64_t> get_int(const object& from, std::string_view key, int64_t fallback) {
  const value* member = find_member(from, key);
  if (member == nullptr) return fallback;
  if (const int64_t* number = member->if_int64()) return *number;
  if (const double* number = member->if_double()) {
    // 512.0 is what some exporters write for 512; 2^53 bounds what a double holds exactly.
    if (std::trunc(*number) == *number && std::abs(*number) <= 0x1p53)
      return static_cast<int64_t>(*number);
    // transformers writes model_max_length as 1e30 for "none".
    if (*number > 0x1p53) return std::numeric_limits<int64_t>::max();
  }
  if (member->is_uint64()) return std::numeric_limits<int64_t>::max();
  return type_error(key, "an integer", *member);
}

Result<double> get_double(const object& from, std::string_view key, double fallback) {
  const value* member = find_member(from, key);
  if (member == nullptr) return fallback;
  boost::system::error_code error;
  const auto number = member->to_number<double>(error);
  if (error) return type_error(key, "a number", *member);
  return number;
}

Result<bool> get_bool(const object& from, std::string_view key, bool fallback) {
  const value* member = find_member(from, key);
  if (member == nullptr) return fallback;
  if (const bool* flag = member->if_bool()) return *flag;
  return type_error(key, "a boolean", *member);
}

Result<std::string> get_string(const object& from, std::string_view key,
                               std::string_view fallback) {
  const value* member = find_member(from, key);
  if (member == nullptr) return std::string(fallback);
  if (const boost::json::string* text = member->if_string()) return std::string(*text);
  return type_error(key, "a string", *member);
}

Result<const object*> get_object(const object& from, std::string_view key) {
  const value* member = find_member(from, key);
  if (member == nullptr) return static_cast<const object*>(nullptr);
  if (const object* found = member->if_object()) return found;
  return type_error(key, "an object", *member);
}

Result<const array*> get_array(const object& from, std::string_view key) {
  const value* member = find_member(from, key);
  if (member == nullptr) return static_cast<const array*>(nullptr);
  if (const array* found = member->if_array()) return found;
  return type_error(key, "an array", *member);
}

void append_number(std::string& out, float number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), number).ptr;
  out.append(buffer, end);
}

void append_array(std::string& out, std::span<const float> numbers) {
  out += '[';
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i != 0) out += ',';
    append_number(out, numbers[i]);
  }
  out += ']';
}

void append_string(std::string& out, std::string_view text) {
  out += boost::json::serialize(boost::json::string_view(text));
}

}  // namespace wde::json
