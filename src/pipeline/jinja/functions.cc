// The filters, tests and methods of values.h.
#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <functional>
#include <span>

#include "base/utf8.h"
#include "pipeline/jinja/budget.h"
#include "pipeline/jinja/values.h"

namespace wde::pipeline::jinja {
namespace {

constexpr std::string_view kSpaces = " \t\n\r\f\v";

std::string strip(std::string_view text, std::string_view characters, bool left, bool right) {
  size_t begin = 0, end = text.size();
  std::bitset<256> dropped;
  for (const char c : characters) dropped.set(static_cast<unsigned char>(c));
  const auto drops = [&](char c) { return dropped.test(static_cast<unsigned char>(c)); };
  while (left && begin < end && drops(text[begin])) ++begin;
  while (right && end > begin && drops(text[end - 1])) --end;
  return std::string(text.substr(begin, end - begin));
}

// ASCII letters alone: what templates do with their own words.
std::string with_case(std::string_view text, bool upper) {
  std::string result(text);
  for (char& c : result) {
    if (upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (!upper && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

Result<Value> text_value(std::string text) { return Value(json::value(text)); }

Result<Value> replace_all(std::string_view text, std::string_view from, std::string_view to,
                          Budget* budget) {
  std::string result;
  if (from.empty()) return text_value(std::string(text));
  for (size_t at = 0;;) {
    const size_t found = find_text(text, from, at);
    result += text.substr(at, found - at);
    if (found == std::string_view::npos) return text_value(std::move(result));
    WDE_RETURN_IF_ERROR(budget->take_bytes(to.size()));
    result += to;
    at = found + from.size();
  }
}

// The text of an argument; `fallback` where there is none.
std::string text_argument(const Arguments& arguments, size_t index, std::string_view name,
                          std::string_view fallback) {
  const Value* value = arguments.find(index, name);
  const String* text = value == nullptr ? nullptr : as_string(*value);
  return std::string(text == nullptr ? fallback : std::string_view(*text));
}

Result<Value> split(std::string_view text, std::string_view separator, Budget* budget) {
  json::array parts;
  for (size_t at = 0;;) {
    const size_t found = find_text(text, separator, at);
    WDE_RETURN_IF_ERROR(budget->take_elements(1));
    parts.emplace_back(text.substr(at, found - at));
    if (found == std::string_view::npos) return Value(std::move(parts));
    at = found + separator.size();
  }
}

Value first_or_last(const std::vector<json::value>& elements, bool first) {
  if (elements.empty()) return std::nullopt;
  return first ? elements.front() : elements.back();
}

// What a list's filter gives to each element's filter or test: its arguments from `begin` on, which
// every element costs anew.
Result<Arguments> arguments_from(const Arguments& arguments, size_t begin, size_t elements,
                                 Budget* budget) {
  WDE_RETURN_IF_ERROR(budget->take_steps(static_cast<int64_t>(elements)));
  Arguments rest;
  for (size_t i = begin; i < arguments.values.size(); ++i) {
    WDE_RETURN_IF_ERROR(budget->take_value(arguments.values[i], elements));
    rest.values.push_back(arguments.values[i]);
  }
  return rest;
}

// The keys of an attribute "a.0.b": names, and indexes of lists.
Result<std::vector<Value>> attribute_path(std::string_view attribute, Budget* budget) {
  WDE_ASSIGN_OR_RETURN(const Value names, split(attribute, ".", budget));
  std::vector<Value> path;
  for (const json::value& name : names->as_array()) {
    const std::string_view text(name.get_string());
    int64_t index = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
    const bool digits = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
    if (digits && error != std::errc())
      return data_loss_error("the attribute \"{}\": an index beyond 64 bits", attribute);
    path.push_back(digits ? Value(index) : Value(name));
  }
  return path;
}

// What lies at the end of the path; undefined where its last member is not there. Errors: kDataLoss
// where one before the last is not.
Result<Value> follow(const Value& from, std::span<const Value> path, std::string_view attribute) {
  Value at = from;
  for (const Value& key : path) {
    if (!at) return data_loss_error("\"{}\" leads through a member that is undefined", attribute);
    at = item_of(at, key);
  }
  return at;
}

// selectattr, rejectattr, select, reject: elements of which a test holds, or not.
Result<Value> select(const std::vector<json::value>& elements, const Arguments& arguments,
                     Budget* budget, bool by_attribute, bool keeps) {
  const size_t test_at = by_attribute ? 1 : 0;
  const std::string attribute = by_attribute ? text_argument(arguments, 0, "", "") : "";
  const std::string test = text_argument(arguments, test_at, "", "");
  WDE_ASSIGN_OR_RETURN(const Arguments rest,
                       arguments_from(arguments, test_at + 1, elements.size(), budget));
  WDE_ASSIGN_OR_RETURN(const std::vector<Value> path, attribute_path(attribute, budget));
  json::array selected;
  for (const json::value& element : elements) {
    Value value = element;
    if (by_attribute) {
      WDE_ASSIGN_OR_RETURN(value, follow(element, path, attribute));
    }
    bool holds = is_true(value);
    if (!test.empty()) {
      WDE_ASSIGN_OR_RETURN(holds, apply_test(test, value, rest));
    }
    if (holds == keeps) selected.push_back(element);
  }
  return Value(std::move(selected));
}

Result<Value> map(const std::vector<json::value>& elements, const Arguments& arguments,
                  Budget* budget) {
  const std::string attribute = text_argument(arguments, SIZE_MAX, "attribute", "");
  const std::string filter = text_argument(arguments, 0, "", "");
  if (attribute.empty() == filter.empty())
    return unsupported_error("map() takes either the name of a filter or an attribute");
  WDE_ASSIGN_OR_RETURN(const Arguments rest, arguments_from(arguments, 1, elements.size(), budget));
  WDE_ASSIGN_OR_RETURN(const std::vector<Value> path, attribute_path(attribute, budget));
  json::array mapped;
  for (const json::value& element : elements) {
    Value value;
    if (attribute.empty()) {
      WDE_ASSIGN_OR_RETURN(value, apply_filter(filter, element, rest, budget));
    } else {
      WDE_ASSIGN_OR_RETURN(value, follow(element, path, attribute));
    }
    // A list holds no undefined values here, and none would not be the same.
    if (!value)
      return unsupported_error("map() of an element without \"{}\"",
                               attribute.empty() ? filter : attribute);
    WDE_RETURN_IF_ERROR(budget->take_value(value));
    mapped.push_back(*std::move(value));
  }
  return Value(std::move(mapped));
}

Result<Value> join(const std::vector<json::value>& elements, std::string_view separator,
                   Budget* budget) {
  std::string text;
  for (size_t i = 0; i < elements.size(); ++i) {
    WDE_ASSIGN_OR_RETURN(const std::string part, to_text(elements[i]));
    WDE_RETURN_IF_ERROR(budget->take_bytes(separator.size() + part.size()));
    if (i > 0) text += separator;
    text += part;
  }
  return text_value(std::move(text));
}

Result<Value> length(const Value& value) {
  if (const String* text = as_string(value))
    return Value(static_cast<int64_t>(count_code_points(*text)));
  WDE_ASSIGN_OR_RETURN(const auto elements, elements_of(value));
  return Value(static_cast<int64_t>(elements.size()));
}

// The arguments that filters and methods take: how many, whether texts alone, and their names.
struct Signature {
  std::string_view name;
  size_t least, most;
  bool texts = false;
  std::array<std::string_view, 2> names = {};
};
constexpr size_t kAny = SIZE_MAX;
constexpr Signature kFilterSignatures[] = {
    {"default", 0, 2, false, {"default_value", "boolean"}},
    {"d", 0, 2, false, {"default_value", "boolean"}},
    {"length", 0, 0},
    {"count", 0, 0},
    {"first", 0, 0},
    {"last", 0, 0},
    {"list", 0, 0},
    {"join", 0, 1, true, {"d"}},
    {"map", 1, kAny, false, {"attribute"}},
    {"select", 0, kAny},
    {"reject", 0, kAny},
    {"selectattr", 1, kAny},
    {"rejectattr", 1, kAny},
    {"trim", 0, 1, true, {"chars"}},
    {"upper", 0, 0},
    {"lower", 0, 0},
    {"string", 0, 0},
    {"safe", 0, 0},
    {"replace", 2, 2, true, {"old", "new"}},
};
constexpr Signature kTextMethodSignatures[] = {
    {"strip", 0, 1, true}, {"lstrip", 0, 1, true}, {"rstrip", 0, 1, true},
    {"startswith", 1, 1},  {"endswith", 1, 1},     {"upper", 0, 0},
    {"lower", 0, 0},       {"split", 1, 1, true},  {"replace", 2, 2, true},
};
constexpr Signature kObjectMethodSignatures[] = {
    {"get", 1, 2, false, {"default"}}, {"items", 0, 0}, {"keys", 0, 0}};

// What is not known here would change the result: it is refused. `kind` is for messages.
Status check_arguments(std::span<const Signature> signatures, std::string_view kind,
                       std::string_view name, const Arguments& arguments) {
  const auto row = std::ranges::find(signatures, name, &Signature::name);
  if (row == signatures.end()) return {};
  const size_t count = arguments.values.size() + arguments.named.size();
  if (count < row->least || count > row->most)
    return unsupported_error("the {} \"{}\" with {} arguments is not supported", kind, name, count);
  bool texts = std::ranges::all_of(arguments.values, as_string);
  for (const auto& [key, value] : arguments.named) {
    texts = texts && as_string(value) != nullptr;
    if (std::ranges::find(row->names, key) == row->names.end())
      return unsupported_error("the argument \"{}\" of the {} \"{}\" is not supported", key, kind,
                               name);
  }
  if (row->texts && !texts)
    return unsupported_error("the {} \"{}\" with an argument that is no text", kind, name);
  return {};
}

// startswith() and endswith(): a text, or several of which one will do.
Result<Value> has_affix(std::string_view text, const Value& affix, std::string_view name) {
  const auto has = [&](const String& part) {
    return name == "startswith" ? text.starts_with(std::string_view(part))
                                : text.ends_with(std::string_view(part));
  };
  if (const String* part = as_string(affix)) return Value(has(*part));
  const json::array* parts = affix ? affix->if_array() : nullptr;
  bool holds = false, texts = parts != nullptr;
  for (size_t i = 0; texts && i < parts->size(); ++i) {
    const String* part = (*parts)[i].if_string();
    texts = part != nullptr;
    holds = holds || (texts && has(*part));
  }
  if (texts) return Value(holds);
  return unsupported_error("the method \"{}\" with an argument that is no text", name);
}

// Filters that take a list. Nothing for a name that is none of them.
Result<std::optional<Value>> list_filter(std::string_view name, const Value& value,
                                         const Arguments& arguments, Budget* budget) {
  using Elements = std::vector<json::value>;
  using Filter = std::function<Result<Value>(const Elements&, const Arguments&, Budget*)>;
  struct Row {
    std::string_view name;
    Filter filter;
  };
  const auto selects = [](bool by_attribute, bool keeps) {
    return [=](const Elements& e, const Arguments& a, Budget* b) {
      return select(e, a, b, by_attribute, keeps);
    };
  };
  static const Row kFilters[] = {
      {"first",
       [](const auto& e, const auto&, Budget*) -> Result<Value> { return first_or_last(e, true); }},
      {"last",
       [](const auto& e, const auto&, Budget*) -> Result<Value> {
         return first_or_last(e, false);
       }},
      {"list",
       [](const auto& e, const auto&, Budget*) -> Result<Value> {
         return Value(json::array(e.begin(), e.end()));
       }},
      {"join", [](const auto& e, const auto& a,
                  Budget* b) { return join(e, text_argument(a, 0, "d", ""), b); }},
      {"map", map},
      {"select", selects(false, true)},
      {"reject", selects(false, false)},
      {"selectattr", selects(true, true)},
      {"rejectattr", selects(true, false)},
  };
  for (const Row& row : kFilters) {
    if (row.name != name) continue;
    WDE_ASSIGN_OR_RETURN(const auto elements, elements_of(value));
    WDE_ASSIGN_OR_RETURN(Value result, row.filter(elements, arguments, budget));
    return std::optional<Value>(std::move(result));
  }
  return std::optional<Value>();
}

}  // namespace

Result<Value> apply_filter(std::string_view name, const Value& value, const Arguments& arguments,
                           Budget* budget) {
  WDE_RETURN_IF_ERROR(check_arguments(kFilterSignatures, "filter", name, arguments));
  if (name == "default" || name == "d") {
    const Value* otherwise = arguments.find(0, "default_value");
    const Value* falsy = arguments.find(1, "boolean");
    const bool replaces = !value || (falsy != nullptr && is_true(*falsy) && !is_true(value));
    if (!replaces) return value;
    return otherwise == nullptr ? Value(json::value("")) : *otherwise;
  }
  if (name == "length" || name == "count") return length(value);
  WDE_ASSIGN_OR_RETURN(std::optional<Value> listed, list_filter(name, value, arguments, budget));
  if (listed) return *std::move(listed);
  if (name != "trim" && name != "upper" && name != "lower" && name != "string" &&
      name != "replace" && name != "safe") {
    return unsupported_error(
        "the filter \"{}\" is not supported; default, length, first, last, list, join, map, "
        "select, reject, selectattr, rejectattr, trim, upper, lower, string, replace and safe are",
        name);
  }
  WDE_ASSIGN_OR_RETURN(const std::string text, to_text(value));
  if (name == "trim")
    return text_value(strip(text, text_argument(arguments, 0, "chars", kSpaces), true, true));
  if (name == "upper" || name == "lower") return text_value(with_case(text, name == "upper"));
  if (name == "replace") {
    return replace_all(text, text_argument(arguments, 0, "old", ""),
                       text_argument(arguments, 1, "new", ""), budget);
  }
  return text_value(text);
}

Result<bool> apply_test(std::string_view name, const Value& value, const Arguments& arguments) {
  const size_t count = arguments.values.size() + arguments.named.size();
  if (count > (arguments.values.empty() ? 0 : 1))
    return unsupported_error("the test \"{}\" with {} arguments is not supported", name, count);
  if (name == "defined") return value.has_value();
  if (name == "undefined") return !value.has_value();
  if (name == "none") return value && value->is_null();
  if (name == "string") return as_string(value) != nullptr;
  if (name == "mapping") return value && value->is_object();
  if (name == "sequence" || name == "iterable")
    return !value || value->is_array() || value->is_object() || value->is_string();
  if (name == "boolean") return value && value->is_bool();
  if (name == "number") return value && value->is_number();
  if (name == "true") return value && value->is_bool() && value->as_bool();
  if (name == "false") return value && value->is_bool() && !value->as_bool();
  constexpr std::pair<std::string_view, std::string_view> kOperations[] = {
      {"eq", "=="}, {"equalto", "=="}, {"==", "=="}, {"ne", "!="}, {"!=", "!="}, {"in", "in"}};
  for (const auto& [word, operation] : kOperations) {
    if (word != name || count == 0) continue;
    WDE_ASSIGN_OR_RETURN(const Value holds, operate(operation, value, arguments.values[0]));
    return is_true(holds);
  }
  return unsupported_error(
      "the test \"{}\" is not supported; defined, undefined, none, string, mapping, sequence, "
      "iterable, boolean, number, true, false, eq, ne and in are",
      name);
}

Result<Value> apply_method(std::string_view name, const Value& value, const Arguments& arguments,
                           Budget* budget) {
  if (const String* string = as_string(value)) {
    const std::string_view text(*string);
    WDE_RETURN_IF_ERROR(check_arguments(kTextMethodSignatures, "method", name, arguments));
    const std::string argument = text_argument(arguments, 0, "", "");
    if (name == "strip" || name == "lstrip" || name == "rstrip") {
      return text_value(strip(text, argument.empty() ? kSpaces : std::string_view(argument),
                              name != "rstrip", name != "lstrip"));
    }
    if (name == "startswith" || name == "endswith")
      return has_affix(text, arguments.values[0], name);
    if (name == "upper" || name == "lower") return text_value(with_case(text, name == "upper"));
    if (name == "split" && !argument.empty()) return split(text, argument, budget);
    if (name == "replace") {
      return replace_all(text, argument, text_argument(arguments, 1, "", ""), budget);
    }
  }
  if (value && value->is_object()) {
    WDE_RETURN_IF_ERROR(check_arguments(kObjectMethodSignatures, "method", name, arguments));
    if (name == "get") {
      const Value found = item_of(value, arguments.values.empty() ? Value() : arguments.values[0]);
      const Value* otherwise = arguments.find(1, "default");
      if (found) return found;
      return otherwise == nullptr ? Value(json::value(nullptr)) : *otherwise;
    }
    if (name == "items") {
      json::array items;
      for (const auto& member : value->as_object())
        items.push_back(json::array{json::value(member.key()), member.value()});
      return Value(std::move(items));
    }
    if (name == "keys") return apply_filter("list", value, {}, budget);
  }
  return unsupported_error("the method \"{}\" of a value of this type is not supported", name);
}

}  // namespace wde::pipeline::jinja
