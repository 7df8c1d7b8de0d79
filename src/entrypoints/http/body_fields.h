// Single fields of request bodies, each checked as entrypoints/http/bodies.h says.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "entrypoints/http/bodies.h"

namespace wde::http {

// base/json.h tells a member of a wrong type as broken data; here it is the client's argument.
template <class T>
Result<T> field(Result<T> member) {
  if (member.ok()) return member;
  return Status(StatusCode::kInvalidArgument, member.status().message());
}

Result<json::object> parse_object(std::string_view body);
// A member that is there and not null.
Result<const json::value*> require_member(const json::object& from, std::string_view key);
bool is_present(const json::object& from, std::string_view key);

// A string, a list of token ids, or an array of either.
Result<InputList> parse_inputs(const json::object& from, std::string_view key);
Result<std::string> parse_text(const json::object& from, std::string_view key);
// An array of strings, not empty.
Result<std::vector<std::string>> parse_texts(const json::object& from, std::string_view key);
Result<std::optional<std::string>> parse_optional_string(const json::object& from,
                                                         std::string_view key);
// The engine knows the range; what does not fit an int is out of it either way.
Result<std::optional<int>> parse_dimensions(const json::object& from);
// "truncate", "truncation_direction" and, where they are taken, "prompt_name" and "adapter".
Result<TextOptions> parse_text_options(const json::object& from);

}  // namespace wde::http
