// Values of a template's variables as Python has them: JSON's, and one that is undefined.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace wde::pipeline::jinja {

class Budget;
using Value = std::optional<json::value>;  // nothing: undefined
using String = boost::json::string;

// Positional arguments, and those by name.
struct Arguments {
  std::vector<Value> values;
  std::vector<std::pair<std::string, Value>> named;

  // The argument at `index` or of the name; null where there is none.
  const Value* find(size_t index, std::string_view name) const;
};

// As std::string_view's own, in time linear in the text's length whatever both are.
size_t find_text(std::string_view text, std::string_view part, size_t from = 0);
bool is_true(const Value& value);
// As str() writes it. Errors: kUnsupported for lists and objects.
Result<std::string> to_text(const Value& value);
// Null where it is no string.
const String* as_string(const Value& value);
// A member of an object or an element of a list (from its end where negative); else undefined.
// Nothing has no members: for an undefined `of`, Jinja raises an error, and its caller here must.
Value item_of(const Value& of, const Value& key);
// Code points [begin, end) of a string, elements of a list, as Python slices. Errors: kUnsupported.
Result<Value> slice_of(const Value& of, const Value& begin, const Value& end);
// The elements of a list, the keys of an object. Errors: kUnsupported.
Result<std::vector<json::value>> elements_of(const Value& value);

// "==", "+", "in", …, of two operands. Errors, naming the operation: kUnsupported, kDataLoss (a
// division by zero, an integer beyond 64 bits).
Result<Value> operate(std::string_view operation, const Value& left, const Value& right);
// Each errs with kUnsupported where no such thing is known here, naming it. The budget is charged
// for what may become longer than the operands; the result itself is the caller's to charge.
Result<Value> apply_filter(std::string_view name, const Value& value, const Arguments& arguments,
                           Budget* budget);
Result<bool> apply_test(std::string_view name, const Value& value, const Arguments& arguments);
Result<Value> apply_method(std::string_view name, const Value& value, const Arguments& arguments,
                           Budget* budget);

}  // namespace wde::pipeline::jinja
