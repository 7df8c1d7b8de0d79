#include "entrypoints/http/body_fields.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <limits>

#include "base/status.h"

namespace wde::http {
namespace {

Status list_error(std::string_view key) {
  return invalid_argument_error(
      "\"{}\" must be a string, a list of token ids, or an array of either", key);
}

bool is_integer(const json::value& item) { return item.is_int64() || item.is_uint64(); }

// Ids beyond the vocabulary are the engine's to refuse; here only what is no id at all.
Result<std::vector<int32_t>> parse_ids(const json::array& list, std::string_view key) {
  std::vector<int32_t> ids;
  ids.reserve(list.size());
  for (const json::value& item : list) {
    const int64_t* id = item.if_int64();
    if (id == nullptr || *id < 0 || *id > std::numeric_limits<int32_t>::max()) {
      return invalid_argument_error("\"{}\": item {} of a list of token ids is no token id", key,
                                    ids.size());
    }
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

Result<Input> parse_input(const json::value& item, std::string_view key) {
  if (const auto* text = item.if_string()) return Input(std::string(*text));
  const json::array* list = item.if_array();
  if (list == nullptr) return list_error(key);
  WDE_ASSIGN_OR_RETURN(std::vector<int32_t> ids, parse_ids(*list, key));
  return Input(std::move(ids));
}

Result<std::optional<OverLong>> parse_over_long(const json::object& from) {
  if (!is_present(from, "truncate")) return std::optional<OverLong>();
  const json::value& member = from.at("truncate");
  if (const bool* truncate = member.if_bool())
    return std::optional(*truncate ? OverLong::kTruncate : OverLong::kError);
  const auto* name = member.if_string();
  if (name != nullptr && *name == "average") return std::optional(OverLong::kAverage);
  return invalid_argument_error("\"truncate\" must be true, false or \"average\"");
}

Result<TruncationSide> parse_truncation_side(const json::object& from) {
  WDE_ASSIGN_OR_RETURN(const std::string side,
                       field(json::get_string(from, "truncation_direction", "right")));
  if (side == "right" || side == "Right") return TruncationSide::kRight;
  if (side == "left" || side == "Left") return TruncationSide::kLeft;
  return invalid_argument_error(
      "\"truncation_direction\" must be \"left\" or \"right\", not \"{}\"", side);
}

}  // namespace

Result<json::object> parse_object(std::string_view body) {
  WDE_ASSIGN_OR_RETURN(json::value document, json::parse(body));
  json::object* members = document.if_object();
  if (members == nullptr) return invalid_argument_error("the body must be a JSON object");
  return std::move(*members);
}

Result<const json::value*> require_member(const json::object& from, std::string_view key) {
  const json::value* member = from.if_contains(key);
  if (member == nullptr || member->is_null())
    return invalid_argument_error("\"{}\" is missing", key);
  return member;
}

Result<InputList> parse_inputs(const json::object& from, std::string_view key) {
  WDE_ASSIGN_OR_RETURN(const json::value* member, require_member(from, key));
  InputList inputs;
  const json::array* list = member->if_array();
  inputs.batch = list != nullptr && !(list->size() > 0 && is_integer(list->front()));
  if (!inputs.batch) {
    WDE_ASSIGN_OR_RETURN(Input input, parse_input(*member, key));
    inputs.items.push_back(std::move(input));
    return inputs;
  }
  if (list->empty()) return empty_input_error("\"{}\" must not be empty", key);
  inputs.items.reserve(list->size());
  for (const json::value& item : *list) {
    WDE_ASSIGN_OR_RETURN(Input input, parse_input(item, key));
    inputs.items.push_back(std::move(input));
  }
  return inputs;
}

bool is_present(const json::object& from, std::string_view key) {
  const json::value* member = from.if_contains(key);
  return member != nullptr && !member->is_null();
}

Result<std::optional<std::string>> parse_optional_string(const json::object& from,
                                                         std::string_view key) {
  if (!is_present(from, key)) return std::optional<std::string>();
  WDE_ASSIGN_OR_RETURN(std::string text, field(json::get_string(from, key, "")));
  return std::optional<std::string>(std::move(text));
}

Result<std::optional<int>> parse_dimensions(const json::object& from) {
  if (!is_present(from, "dimensions")) return std::optional<int>();
  WDE_ASSIGN_OR_RETURN(const int64_t number, field(json::get_int(from, "dimensions", 0)));
  const int64_t limit = std::numeric_limits<int>::max();
  return std::optional<int>(static_cast<int>(std::clamp(number, -limit, limit)));
}

Result<std::string> parse_text(const json::object& from, std::string_view key) {
  WDE_ASSIGN_OR_RETURN(const json::value* member, require_member(from, key));
  if (const auto* text = member->if_string()) return std::string(*text);
  return invalid_argument_error("\"{}\" must be a string", key);
}

Result<std::vector<std::string>> parse_texts(const json::object& from, std::string_view key) {
  WDE_ASSIGN_OR_RETURN(const json::value* member, require_member(from, key));
  const json::array* list = member->if_array();
  if (list == nullptr) return invalid_argument_error("\"{}\" must be an array of strings", key);
  if (list->empty()) return empty_input_error("\"{}\" must not be empty", key);
  std::vector<std::string> texts;
  for (const json::value& item : *list) {
    const auto* text = item.if_string();
    if (text == nullptr) return invalid_argument_error("\"{}\" must be an array of strings", key);
    texts.emplace_back(*text);
  }
  return texts;
}

Result<TextOptions> parse_text_options(const json::object& from) {
  TextOptions options;
  WDE_ASSIGN_OR_RETURN(options.over_long, parse_over_long(from));
  WDE_ASSIGN_OR_RETURN(options.truncation_side, parse_truncation_side(from));
  WDE_ASSIGN_OR_RETURN(options.prompt_name, parse_optional_string(from, "prompt_name"));
  WDE_ASSIGN_OR_RETURN(options.adapter, parse_optional_string(from, "adapter"));
  return options;
}

}  // namespace wde::http
