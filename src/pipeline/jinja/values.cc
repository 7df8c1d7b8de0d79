#include "pipeline/jinja/values.h"

#include <string.h>  // memmem

#include <algorithm>

#include "base/utf8.h"

namespace wde::pipeline::jinja {
namespace {

std::optional<int64_t> as_integer(const Value& value) {
  if (!value) return std::nullopt;
  if (value->is_int64()) return value->as_int64();
  if (value->is_bool()) return value->as_bool() ? 1 : 0;
  return std::nullopt;
}

std::optional<double> as_number(const Value& value) {
  if (const auto integer = as_integer(value)) return static_cast<double>(*integer);
  if (value && value->is_double()) return value->as_double();
  return std::nullopt;
}

bool equal(const Value& left, const Value& right) {
  if (!left || !right) return !left && !right;
  const auto a = as_number(left), b = as_number(right);
  return a && b ? *a == *b : *left == *right;
}

bool contains(const Value& whole, const Value& part) {
  if (!whole) return false;
  if (const String* text = as_string(whole)) {
    const String* wanted = as_string(part);
    return wanted != nullptr && find_text(*text, *wanted) != std::string_view::npos;
  }
  if (whole->is_object()) {
    const String* key = as_string(part);
    return key != nullptr && whole->as_object().contains(std::string_view(*key));
  }
  if (!whole->is_array()) return false;
  return std::any_of(whole->as_array().begin(), whole->as_array().end(),
                     [&](const json::value& element) { return equal(element, part); });
}

Status no_operation(std::string_view operation) {
  return unsupported_error("\"{}\" of values of these types is not supported", operation);
}

// Where Python's slice index stands among `size`.
int64_t slice_index(const Value& index, int64_t size, int64_t otherwise) {
  const auto given = as_integer(index);
  if (!given) return otherwise;
  return std::clamp<int64_t>(*given < 0 ? *given + size : *given, 0, size);
}

Result<Value> compare(std::string_view operation, const Value& left, const Value& right) {
  int order = 0;
  const auto a = as_number(left), b = as_number(right);
  const String *s = as_string(left), *t = as_string(right);
  if (a && b)
    order = *a < *b ? -1 : *a > *b;
  else if (s != nullptr && t != nullptr)
    order = std::string_view(*s).compare(std::string_view(*t));
  else
    return no_operation(operation);
  if (operation == "<") return Value(order < 0);
  if (operation == "<=") return Value(order <= 0);
  if (operation == ">") return Value(order > 0);
  return Value(order >= 0);
}

// Division rounds as Python's: downwards. Python's integers have no end, those here 64 bits.
Result<Value> calculate(std::string_view operation, int64_t a, int64_t b) {
  const bool divides = operation == "//" || operation == "%";
  if (divides && b == 0) return data_loss_error("a division by zero");
  int64_t result = 0;
  bool overflows = false;
  if (operation == "+") {
    overflows = __builtin_add_overflow(a, b, &result);
  } else if (operation == "-") {
    overflows = __builtin_sub_overflow(a, b, &result);
  } else if (operation == "*") {
    overflows = __builtin_mul_overflow(a, b, &result);
  } else if (b == -1) {  // the quotient may not fit, and the processor traps
    overflows = operation == "//" && __builtin_sub_overflow(int64_t{0}, a, &result);
  } else {
    const int64_t rest = a % b;
    const bool rounds_down = rest != 0 && (rest < 0) != (b < 0);
    result = operation == "%" ? rest + (rounds_down ? b : 0) : a / b - (rounds_down ? 1 : 0);
  }
  if (overflows) return data_loss_error("\"{}\" of {} and {} is beyond 64 bits", operation, a, b);
  return Value(result);
}

Result<Value> add(const Value& left, const Value& right) {
  const String *s = as_string(left), *t = as_string(right);
  if (s != nullptr && t != nullptr) return Value(json::value(std::string(*s) + std::string(*t)));
  if (left && right && left->is_array() && right->is_array()) {
    json::array both = left->as_array();
    for (const json::value& element : right->as_array()) both.push_back(element);
    return Value(std::move(both));
  }
  const auto a = as_integer(left), b = as_integer(right);
  if (a && b) return calculate("+", *a, *b);
  const auto x = as_number(left), y = as_number(right);
  if (x && y) return Value(*x + *y);
  return no_operation("+");
}

}  // namespace

const Value* Arguments::find(size_t index, std::string_view name) const {
  if (index < values.size()) return &values[index];
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

size_t find_text(std::string_view text, std::string_view part, size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (part.empty()) return from;
  const void* found = ::memmem(text.data() + from, text.size() - from, part.data(), part.size());
  if (found == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

const String* as_string(const Value& value) { return value ? value->if_string() : nullptr; }

bool is_true(const Value& value) {
  if (!value || value->is_null()) return false;
  if (const String* text = as_string(value)) return !text->empty();
  if (const json::array* list = value->if_array()) return !list->empty();
  if (const json::object* object = value->if_object()) return !object->empty();
  return as_number(value).value_or(1) != 0;
}

Result<std::string> to_text(const Value& value) {
  if (!value) return std::string();
  if (const String* text = as_string(value)) return std::string(*text);
  if (value->is_null()) return std::string("None");
  if (value->is_bool()) return std::string(value->as_bool() ? "True" : "False");
  if (value->is_int64()) return fmt::format("{}", value->as_int64());
  if (value->is_double()) return fmt::format("{}", value->as_double());
  return unsupported_error("a list or an object is written out");
}

Value item_of(const Value& of, const Value& key) {
  if (!of) return std::nullopt;
  const String* name = as_string(key);
  if (const json::object* object = of->if_object(); object != nullptr && name != nullptr) {
    const json::value* found = object->if_contains(std::string_view(*name));
    return found == nullptr ? Value() : Value(*found);
  }
  const auto index = as_integer(key);
  if (const json::array* list = of->if_array(); list != nullptr && index) {
    const auto size = static_cast<int64_t>(list->size());
    const int64_t at = *index < 0 ? *index + size : *index;
    return at >= 0 && at < size ? Value((*list)[static_cast<size_t>(at)]) : Value();
  }
  if (const String* text = of->if_string(); text != nullptr && index) {
    const auto size = static_cast<int64_t>(count_code_points(std::string_view(*text)));
    const int64_t at = *index < 0 ? *index + size : *index;
    if (at < 0 || at >= size) return std::nullopt;
    return slice_of(of, json::value(at), json::value(at + 1)).value();
  }
  return std::nullopt;
}

Result<Value> slice_of(const Value& of, const Value& begin, const Value& end) {
  if (of && of->is_array()) {
    const json::array& list = of->as_array();
    const auto size = static_cast<int64_t>(list.size());
    json::array part;
    for (int64_t i = slice_index(begin, size, 0); i < slice_index(end, size, size); ++i) {
      part.push_back(list[static_cast<size_t>(i)]);
    }
    return Value(std::move(part));
  }
  const String* text = as_string(of);
  if (text == nullptr) return no_operation("[:]");
  const std::string_view whole(*text);
  const auto size = static_cast<int64_t>(count_code_points(whole));
  const int64_t first = slice_index(begin, size, 0), last = slice_index(end, size, size);
  std::string part;
  int64_t index = -1;
  for (const char byte : whole) {
    index += (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
    if (index >= first && index < last) part += byte;
  }
  return Value(json::value(part));
}

Result<std::vector<json::value>> elements_of(const Value& value) {
  std::vector<json::value> elements;
  if (value && value->is_array()) {
    elements.assign(value->as_array().begin(), value->as_array().end());
  } else if (value && value->is_object()) {
    for (const auto& member : value->as_object()) elements.emplace_back(member.key());
  } else if (value) {
    return unsupported_error("a loop over a value that is no list");
  }
  return elements;
}

Result<Value> operate(std::string_view operation, const Value& left, const Value& right) {
  if (operation == "==") return Value(equal(left, right));
  if (operation == "!=") return Value(!equal(left, right));
  if ((operation == "in" || operation == "not in") && as_string(right) && !as_string(left))
    return no_operation(operation);
  if (operation == "in") return Value(contains(right, left));
  if (operation == "not in") return Value(!contains(right, left));
  if (operation == "+") return add(left, right);
  if (operation == "~") {
    WDE_ASSIGN_OR_RETURN(const std::string a, to_text(left));
    WDE_ASSIGN_OR_RETURN(const std::string b, to_text(right));
    return Value(json::value(a + b));
  }
  if (operation == "-" || operation == "*" || operation == "//" || operation == "%") {
    const auto a = as_integer(left), b = as_integer(right);
    return a && b ? calculate(operation, *a, *b) : no_operation(operation);
  }
  return compare(operation, left, right);
}

}  // namespace wde::pipeline::jinja
