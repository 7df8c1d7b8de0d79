#include "pipeline/jinja/template.h"

#include <map>

#include "pipeline/jinja/budget.h"
#include "pipeline/jinja/parser.h"
#include "pipeline/jinja/values.h"

namespace wde::pipeline::jinja {
namespace {

constexpr size_t kLoopMembers = 5;
constexpr uint64_t kMaxRange = 1 << 16;

using Scope = std::map<std::string, Value, std::less<>>;

class Rendering {
 public:
  explicit Rendering(const json::object& variables) : budget_(variables) {
    Scope& scope = scopes_.emplace_back();
    for (const auto& member : variables) scope[std::string(member.key())] = member.value();
  }

  Status run(const Nodes& nodes) {
    for (const Node& node : nodes) WDE_RETURN_IF_ERROR(run(node));
    return {};
  }
  std::string take() { return std::move(text_); }

 private:
  using Kind = Expression::Kind;

  Status run(const Node& node) {
    WDE_RETURN_IF_ERROR(budget_.take_steps(1));
    switch (node.kind) {
      case Node::Kind::kText:
        return write(node.text);
      case Node::Kind::kOutput: {
        WDE_ASSIGN_OR_RETURN(const Value value, evaluate(*node.expression));
        WDE_ASSIGN_OR_RETURN(const std::string text, at(*node.expression, to_text(value)));
        return write(text);
      }
      case Node::Kind::kSet:
        return set(node);
      case Node::Kind::kIf: {
        WDE_ASSIGN_OR_RETURN(const Value condition, evaluate(*node.expression));
        return run(is_true(condition) ? node.body : node.otherwise);
      }
      case Node::Kind::kFor:
        return loop(node);
    }
    return {};
  }

  Status write(std::string_view text) {
    WDE_RETURN_IF_ERROR(budget_.take_bytes(text.size()));
    text_ += text;
    return {};
  }

  Status set(const Node& node) {
    WDE_ASSIGN_OR_RETURN(Value value, evaluate(*node.expression));
    if (node.names.size() == 1) {
      scopes_.back()[node.names[0]] = std::move(value);
      return {};
    }
    // A member of a namespace, wherever that was made.
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      const auto found = scope->find(node.names[0]);
      if (found == scope->end()) continue;
      if (!found->second || !found->second->is_object()) break;
      found->second->as_object()[node.names[1]] = value.value_or(nullptr);
      return {};
    }
    return data_loss_error("line {}: \"{}\" is no namespace", node.expression->line, node.names[0]);
  }

  Status loop(const Node& node) {
    WDE_ASSIGN_OR_RETURN(const Value over, evaluate(*node.expression));
    WDE_ASSIGN_OR_RETURN(std::vector<json::value> elements,
                         at(*node.expression, elements_of(over)));
    if (node.filter != nullptr) WDE_RETURN_IF_ERROR(keep_filtered(node, &elements));
    if (elements.empty()) return run(node.otherwise);
    const size_t depth = scopes_.size();
    for (size_t i = 0; i < elements.size(); ++i) {
      WDE_RETURN_IF_ERROR(budget_.take_elements(kLoopMembers));
      Scope& scope = scopes_.emplace_back();
      WDE_RETURN_IF_ERROR(bind(node, elements[i], &scope));
      scope["loop"] = json::value(json::object{{"index", static_cast<int64_t>(i + 1)},
                                               {"index0", static_cast<int64_t>(i)},
                                               {"first", i == 0},
                                               {"last", i + 1 == elements.size()},
                                               {"length", static_cast<int64_t>(elements.size())}});
      WDE_RETURN_IF_ERROR(run(node.body));
      scopes_.resize(depth);
    }
    return {};
  }

  Status keep_filtered(const Node& node, std::vector<json::value>* elements) {
    std::vector<json::value> kept;
    for (json::value& element : *elements) {
      WDE_RETURN_IF_ERROR(bind(node, element, &scopes_.emplace_back()));
      WDE_ASSIGN_OR_RETURN(const Value keeps, evaluate(*node.filter));
      scopes_.pop_back();
      if (is_true(keeps)) kept.push_back(std::move(element));
    }
    *elements = std::move(kept);
    return {};
  }

  static Status bind(const Node& node, const json::value& element, Scope* scope) {
    if (node.names.size() == 1) {
      (*scope)[node.names[0]] = element;
      return {};
    }
    const json::array* parts = element.if_array();
    if (parts == nullptr || parts->size() != node.names.size()) {
      return data_loss_error("line {}: a loop over {} names at once, of elements with other parts",
                             node.expression->line, node.names.size());
    }
    for (size_t i = 0; i < node.names.size(); ++i) (*scope)[node.names[i]] = (*parts)[i];
    return {};
  }

  // The same result, with the expression's line before its error.
  template <class T>
  static Result<T> at(const Expression& expression, Result<T> result) {
    if (result.ok()) return result;
    return at(expression, result.status());
  }
  static Status at(const Expression& expression, Status status) {
    if (status.ok()) return status;
    return status.with_context(fmt::format("line {}", expression.line));
  }

  Result<Value> evaluate(const Expression& expression) {
    WDE_RETURN_IF_ERROR(at(expression, budget_.take_steps(1)));
    WDE_ASSIGN_OR_RETURN(Value value, value_of(expression));
    WDE_RETURN_IF_ERROR(at(expression, budget_.take_value(value)));
    return value;
  }

  Result<Value> value_of(const Expression& expression) {
    switch (expression.kind) {
      case Kind::kLiteral:
        return Value(expression.literal);
      case Kind::kName:
        return look_up(expression.name);
      case Kind::kList:
      case Kind::kDict:
        return collect(expression);
      case Kind::kConditional:
        return choose(expression);
      case Kind::kOperation:
        if (expression.name == "and" || expression.name == "or") return either(expression);
        break;
      default:
        break;
    }
    return apply(expression);
  }

  Value look_up(std::string_view name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      const auto found = scope->find(name);
      if (found != scope->end()) return found->second;
    }
    return std::nullopt;
  }

  Result<Value> collect(const Expression& expression) {
    WDE_ASSIGN_OR_RETURN(const std::vector<Value> values, evaluate_all(expression));
    if (expression.kind == Kind::kList) {
      json::array list;
      for (const Value& value : values) list.push_back(value.value_or(nullptr));
      return Value(std::move(list));
    }
    json::object dict;
    for (size_t i = 0; i + 1 < values.size(); i += 2) {
      WDE_ASSIGN_OR_RETURN(const std::string key, at(expression, to_text(values[i])));
      dict[key] = values[i + 1].value_or(nullptr);
    }
    return Value(std::move(dict));
  }

  Result<Value> choose(const Expression& expression) {
    WDE_ASSIGN_OR_RETURN(const Value condition, evaluate(*expression.children[1]));
    if (is_true(condition)) return evaluate(*expression.children[0]);
    return expression.children[2] == nullptr ? Result<Value>(Value())
                                             : evaluate(*expression.children[2]);
  }

  Result<Value> either(const Expression& expression) {
    WDE_ASSIGN_OR_RETURN(const Value left, evaluate(*expression.children[0]));
    if (is_true(left) == (expression.name == "or")) return left;
    return evaluate(*expression.children[1]);
  }

  // The children's values; undefined for those that are null.
  Result<std::vector<Value>> evaluate_all(const Expression& expression) {
    std::vector<Value> values;
    for (const ExpressionPtr& child : expression.children) {
      Value value;
      if (child != nullptr) {
        WDE_ASSIGN_OR_RETURN(value, evaluate(*child));
      }
      values.push_back(std::move(value));
    }
    return values;
  }

  // What is the same whichever way its operands came about.
  Result<Value> apply(const Expression& expression) {
    WDE_ASSIGN_OR_RETURN(std::vector<Value> values, evaluate_all(expression));
    Arguments arguments;
    for (const Keyword& keyword : expression.keywords) {
      WDE_ASSIGN_OR_RETURN(Value value, evaluate(*keyword.second));
      arguments.named.emplace_back(keyword.first, std::move(value));
    }
    return at(expression, apply_to(expression, std::move(values), std::move(arguments)));
  }

  Result<Value> apply_to(const Expression& expression, std::vector<Value> values,
                         Arguments arguments) {
    const std::string& name = expression.name;
    switch (expression.kind) {
      case Kind::kItem:
        WDE_RETURN_IF_ERROR(check_defined(*expression.children[0], values[0]));
        return item_of(values[0], values[1]);
      case Kind::kSlice:
        return slice_of(values[0], values[1], values[2]);
      case Kind::kNot:
        return Value(!is_true(values[0]));
      case Kind::kNegative:
        return operate("-", Value(int64_t{0}), values[0]);
      case Kind::kOperation:
        return operate(name, values[0], values[1]);
      case Kind::kCall:
        arguments.values = std::move(values);
        return call(name, arguments);
      default:
        break;
    }
    arguments.values.assign(values.begin() + 1, values.end());
    if (expression.kind == Kind::kMethod) {
      WDE_RETURN_IF_ERROR(check_defined(*expression.children[0], values[0]));
      return apply_method(name, values[0], arguments, &budget_);
    }
    if (expression.kind == Kind::kFilter) return apply_filter(name, values[0], arguments, &budget_);
    WDE_ASSIGN_OR_RETURN(const bool holds, apply_test(name, values[0], arguments));
    return Value(holds);
  }

  // What is undefined may be written, tested, or replaced by default(), but has no members.
  static Status check_defined(const Expression& expression, const Value& value) {
    if (value) return {};
    return data_loss_error("\"{}\" is undefined and has no members", spelling(expression));
  }

  // A name or a path as templates write them; "a value" for anything else.
  static std::string spelling(const Expression& expression) {
    if (expression.kind == Kind::kName) return expression.name;
    if (expression.kind != Kind::kItem) return "a value";
    const json::value& key = expression.children[1]->literal;
    const std::string of = spelling(*expression.children[0]);
    if (key.is_string()) return of + "." + std::string(key.get_string());
    return key.is_int64() ? fmt::format("{}[{}]", of, key.get_int64()) : of + "[…]";
  }

  static Result<Value> call(std::string_view name, const Arguments& arguments) {
    if (name == "raise_exception") {
      const String* text = arguments.values.empty() ? nullptr : as_string(arguments.values[0]);
      return invalid_argument_error("the template refuses: {}",
                                    text == nullptr ? std::string_view() : *text);
    }
    if ((name == "namespace" || name == "dict") && arguments.values.empty()) {
      json::object members;
      for (const auto& [key, value] : arguments.named) members[key] = value.value_or(nullptr);
      return Value(std::move(members));
    }
    if (name == "range" && !arguments.values.empty() && arguments.named.empty())
      return range(arguments);
    return unsupported_error(
        "the function \"{}\" with {} arguments is not supported; namespace and dict (of named "
        "ones), range and raise_exception are",
        name, arguments.values.size() + arguments.named.size());
  }

  static Result<Value> range(const Arguments& arguments) {
    std::vector<int64_t> bounds;
    for (const Value& value : arguments.values) {
      if (!value || !value->is_int64()) return data_loss_error("range() takes integers");
      bounds.push_back(value->as_int64());
    }
    const int64_t begin = bounds.size() > 1 ? bounds[0] : 0;
    const int64_t end = bounds.size() > 1 ? bounds[1] : bounds[0];
    // Unsigned, the difference of any two fits.
    const uint64_t count =
        begin < end ? static_cast<uint64_t>(end) - static_cast<uint64_t>(begin) : 0;
    if (bounds.size() > 2 || count > kMaxRange)
      return unsupported_error("range() with a step, or beyond {}", kMaxRange);
    json::array numbers;
    for (int64_t i = begin; i < end; ++i) numbers.emplace_back(i);
    return Value(std::move(numbers));
  }

  std::vector<Scope> scopes_;
  std::string text_;
  Budget budget_;
};

}  // namespace

Result<Template> Template::parse(std::string_view source) {
  if (source.size() > kMaxBytes)
    return data_loss_error("a template of {} bytes; at most {} are read", source.size(), kMaxBytes);
  WDE_ASSIGN_OR_RETURN(Nodes nodes, parse_template(source));
  Template result;
  result.nodes_ = std::make_shared<const Nodes>(std::move(nodes));
  return result;
}

Result<std::string> Template::render(const json::object& variables) const {
  Rendering rendering(variables);
  WDE_RETURN_IF_ERROR(rendering.run(*nodes_));
  return rendering.take();
}

}  // namespace wde::pipeline::jinja
