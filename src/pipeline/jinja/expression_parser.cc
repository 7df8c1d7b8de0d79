#include "pipeline/jinja/expression_parser.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace wde::pipeline::jinja {
namespace {

constexpr int kMaxDepth = 64;
// Of trees: chains like a + b + c are deep without recursion here, but run and end by recursion.
constexpr int kMaxTreeDepth = 256;

}  // namespace

ExpressionParser::Made ExpressionParser::make(Kind kind, std::string name) const {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->name = std::move(name);
  made->line = tokens_.empty() ? line_ : tokens_[0].line;
  return made;
}

Result<ExpressionPtr> ExpressionParser::finish(Made made) const {
  int depth = 0;
  for (const ExpressionPtr& child : made->children) {
    if (child != nullptr) depth = std::max(depth, child->depth);
  }
  for (const Keyword& keyword : made->keywords) depth = std::max(depth, keyword.second->depth);
  made->depth = depth + 1;
  if (made->depth > kMaxTreeDepth)
    return data_loss_error("line {}: an expression is more than {} operations deep", made->line,
                           kMaxTreeDepth);
  return ExpressionPtr(std::move(made));
}

Result<ExpressionPtr> ExpressionParser::finish(Made made, ExpressionPtr child) const {
  made->children.push_back(std::move(child));
  return finish(std::move(made));
}

Result<ExpressionPtr> ExpressionParser::finish(Made operation, ExpressionPtr left,
                                               ExpressionPtr right) const {
  operation->children.push_back(std::move(left));
  return finish(std::move(operation), std::move(right));
}

bool ExpressionParser::take(std::string_view word) {
  if (!next_is(word)) return false;
  line_ = tokens_[0].line;
  tokens_ = tokens_.subspan(1);
  return true;
}

Result<std::string> ExpressionParser::take_name() {
  if (tokens_.empty() || tokens_[0].kind != Token::Kind::kName) {
    return data_loss_error("line {}: a name is missing", line_);
  }
  std::string name = tokens_[0].text;
  tokens_ = tokens_.subspan(1);
  return name;
}

Status ExpressionParser::expect(std::string_view word) {
  if (take(word)) return {};
  return data_loss_error("line {}: \"{}\" is missing{}", line_, word,
                         done() ? "" : fmt::format(" before \"{}\"", tokens_[0].text));
}

Status ExpressionParser::expect_end() const {
  if (done()) return {};
  return data_loss_error("line {}: unexpected \"{}\"", tokens_[0].line, tokens_[0].text);
}

Result<ExpressionPtr> ExpressionParser::parse() {
  WDE_ASSIGN_OR_RETURN(ExpressionPtr first, parse_conditional());
  if (!next_is(",")) return first;
  Made list = make(Kind::kList);
  list->children.push_back(std::move(first));
  while (take(",") && !done()) {
    WDE_ASSIGN_OR_RETURN(ExpressionPtr next, parse_conditional());
    list->children.push_back(std::move(next));
  }
  return finish(std::move(list));
}

Result<ExpressionPtr> ExpressionParser::parse_conditional() {
  if (++depth_ > kMaxDepth) return data_loss_error("line {}: expressions too deep", line_);
  WDE_ASSIGN_OR_RETURN(ExpressionPtr value, parse_or());
  if (take("if")) {
    Made conditional = make(Kind::kConditional);
    conditional->children.push_back(std::move(value));
    WDE_ASSIGN_OR_RETURN(ExpressionPtr condition, parse_or());
    conditional->children.push_back(std::move(condition));
    ExpressionPtr otherwise;
    if (take("else")) {
      WDE_ASSIGN_OR_RETURN(otherwise, parse_conditional());
    }
    conditional->children.push_back(std::move(otherwise));
    WDE_ASSIGN_OR_RETURN(value, finish(std::move(conditional)));
  }
  --depth_;
  return value;
}

Result<ExpressionPtr> ExpressionParser::parse_or() {
  WDE_ASSIGN_OR_RETURN(ExpressionPtr left, parse_and());
  while (take("or")) {
    Made operation = make(Kind::kOperation, "or");
    WDE_ASSIGN_OR_RETURN(ExpressionPtr right, parse_and());
    WDE_ASSIGN_OR_RETURN(left, finish(std::move(operation), std::move(left), std::move(right)));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::parse_and() {
  WDE_ASSIGN_OR_RETURN(ExpressionPtr left, parse_not());
  while (take("and")) {
    Made operation = make(Kind::kOperation, "and");
    WDE_ASSIGN_OR_RETURN(ExpressionPtr right, parse_not());
    WDE_ASSIGN_OR_RETURN(left, finish(std::move(operation), std::move(left), std::move(right)));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::parse_not() {
  int count = 0;
  while (take("not")) ++count;
  WDE_ASSIGN_OR_RETURN(ExpressionPtr value, parse_comparison());
  for (; count > 0; --count) {
    WDE_ASSIGN_OR_RETURN(value, finish(make(Kind::kNot), std::move(value)));
  }
  return value;
}

Result<ExpressionPtr> ExpressionParser::parse_comparison() {
  WDE_ASSIGN_OR_RETURN(ExpressionPtr left, parse_sum());
  for (bool compared = false;;) {
    std::string name;
    for (const char* comparison : {"==", "!=", "<=", ">=", "<", ">", "in"}) {
      if (next_is(comparison)) name = comparison;
    }
    if (name.empty() && tokens_.size() > 1 && next_is("not") && tokens_[1].is("in")) {
      take("not");
      name = "not in";
    }
    if (name.empty()) return left;
    if (compared) return data_loss_error("line {}: a chain of comparisons is not known", line_);
    take(name == "not in" ? "in" : name);
    Made operation = make(Kind::kOperation, name);
    WDE_ASSIGN_OR_RETURN(ExpressionPtr right, parse_sum());
    WDE_ASSIGN_OR_RETURN(left, finish(std::move(operation), std::move(left), std::move(right)));
    compared = true;
  }
}

Result<ExpressionPtr> ExpressionParser::parse_sum() {
  WDE_ASSIGN_OR_RETURN(ExpressionPtr left, parse_concatenation());
  while (next_is("+") || next_is("-")) {
    Made operation = make(Kind::kOperation, tokens_[0].text);
    take(operation->name);
    WDE_ASSIGN_OR_RETURN(ExpressionPtr right, parse_concatenation());
    WDE_ASSIGN_OR_RETURN(left, finish(std::move(operation), std::move(left), std::move(right)));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::parse_concatenation() {
  WDE_ASSIGN_OR_RETURN(ExpressionPtr left, parse_product());
  while (take("~")) {
    Made operation = make(Kind::kOperation, "~");
    WDE_ASSIGN_OR_RETURN(ExpressionPtr right, parse_product());
    WDE_ASSIGN_OR_RETURN(left, finish(std::move(operation), std::move(left), std::move(right)));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::parse_product() {
  WDE_ASSIGN_OR_RETURN(ExpressionPtr left, parse_unary());
  while (next_is("*") || next_is("//") || next_is("%")) {
    Made operation = make(Kind::kOperation, tokens_[0].text);
    take(operation->name);
    WDE_ASSIGN_OR_RETURN(ExpressionPtr right, parse_unary());
    WDE_ASSIGN_OR_RETURN(left, finish(std::move(operation), std::move(left), std::move(right)));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::parse_unary() {
  if (!take("-")) return parse_postfix();
  Made negative = make(Kind::kNegative);
  WDE_ASSIGN_OR_RETURN(ExpressionPtr value, parse_postfix());
  return finish(std::move(negative), std::move(value));
}

Result<ExpressionPtr> ExpressionParser::parse_postfix() {
  WDE_ASSIGN_OR_RETURN(ExpressionPtr value, parse_primary());
  for (;;) {
    if (take(".")) {
      WDE_ASSIGN_OR_RETURN(value, parse_member(std::move(value)));
    } else if (take("[")) {
      WDE_ASSIGN_OR_RETURN(value, parse_item(std::move(value)));
    } else if (take("|")) {
      WDE_ASSIGN_OR_RETURN(value, parse_filter(std::move(value)));
    } else if (take("is")) {
      WDE_ASSIGN_OR_RETURN(value, parse_test(std::move(value)));
    } else {
      return value;
    }
  }
}

// What the for statement sets (template.cc).
static bool is_loop_member(std::string_view name) {
  for (const char* member : {"index", "index0", "first", "last", "length"}) {
    if (name == member) return true;
  }
  return false;
}

Result<ExpressionPtr> ExpressionParser::parse_member(ExpressionPtr of) {
  Made member = make(Kind::kItem);
  WDE_ASSIGN_OR_RETURN(const std::string name, take_name());
  member->children.push_back(std::move(of));
  if (take("(")) {
    member->kind = Kind::kMethod;
    member->name = name;
    WDE_RETURN_IF_ERROR(parse_arguments(member.get()));
    return finish(std::move(member));
  }
  const Expression& owner = *member->children.front();
  if (owner.kind == Kind::kName && owner.name == "loop" && !is_loop_member(name))
    return data_loss_error("line {}: loop.{} is not known", line_, name);
  Made key = make(Kind::kLiteral);
  key->literal = json::value(name);
  member->children.push_back(std::move(key));
  return finish(std::move(member));
}

Result<ExpressionPtr> ExpressionParser::parse_item(ExpressionPtr of) {
  Made item = make(Kind::kItem);
  item->children.push_back(std::move(of));
  ExpressionPtr begin, end;
  if (!next_is(":")) {
    WDE_ASSIGN_OR_RETURN(begin, parse_conditional());
  }
  if (take(":")) {
    item->kind = Kind::kSlice;
    if (!next_is("]")) {
      WDE_ASSIGN_OR_RETURN(end, parse_conditional());
    }
  }
  item->children.push_back(std::move(begin));
  if (item->kind == Kind::kSlice) item->children.push_back(std::move(end));
  WDE_RETURN_IF_ERROR(expect("]"));
  return finish(std::move(item));
}

Result<ExpressionPtr> ExpressionParser::parse_filter(ExpressionPtr of) {
  Made filter = make(Kind::kFilter);
  WDE_ASSIGN_OR_RETURN(filter->name, take_name());
  filter->children.push_back(std::move(of));
  if (take("(")) WDE_RETURN_IF_ERROR(parse_arguments(filter.get()));
  return finish(std::move(filter));
}

Result<ExpressionPtr> ExpressionParser::parse_test(ExpressionPtr of) {
  const bool negated = take("not");
  Made test = make(Kind::kTest);
  WDE_ASSIGN_OR_RETURN(test->name, take_name());
  test->children.push_back(std::move(of));
  if (take("(")) WDE_RETURN_IF_ERROR(parse_arguments(test.get()));
  if (!negated) return finish(std::move(test));
  WDE_ASSIGN_OR_RETURN(ExpressionPtr finished, finish(std::move(test)));
  return finish(make(Kind::kNot), std::move(finished));
}

Status ExpressionParser::parse_arguments(Expression* call) {
  while (!take(")")) {
    if (tokens_.size() > 1 && tokens_[0].kind == Token::Kind::kName && tokens_[1].is("=")) {
      WDE_ASSIGN_OR_RETURN(std::string name, take_name());
      take("=");
      WDE_ASSIGN_OR_RETURN(ExpressionPtr value, parse_conditional());
      call->keywords.emplace_back(std::move(name), std::move(value));
    } else {
      WDE_ASSIGN_OR_RETURN(ExpressionPtr value, parse_conditional());
      call->children.push_back(std::move(value));
    }
    if (!next_is(")")) WDE_RETURN_IF_ERROR(expect(","));
  }
  return {};
}

Result<ExpressionPtr> ExpressionParser::parse_sequence(std::string_view close) {
  Made list = make(Kind::kList);
  bool comma = false;
  while (!take(close)) {
    WDE_ASSIGN_OR_RETURN(ExpressionPtr value, parse_conditional());
    list->children.push_back(std::move(value));
    if (next_is(close)) continue;
    WDE_RETURN_IF_ERROR(expect(","));
    comma = true;
  }
  // Parentheses around one value are that value.
  if (close == ")" && !comma && list->children.size() == 1) return std::move(list->children[0]);
  return finish(std::move(list));
}

Result<ExpressionPtr> ExpressionParser::parse_dict() {
  Made dict = make(Kind::kDict);
  while (!take("}")) {
    WDE_ASSIGN_OR_RETURN(ExpressionPtr key, parse_conditional());
    WDE_RETURN_IF_ERROR(expect(":"));
    WDE_ASSIGN_OR_RETURN(ExpressionPtr value, parse_conditional());
    dict->children.push_back(std::move(key));
    dict->children.push_back(std::move(value));
    if (!next_is("}")) WDE_RETURN_IF_ERROR(expect(","));
  }
  return finish(std::move(dict));
}

Result<ExpressionPtr> ExpressionParser::parse_primary() {
  if (done()) return data_loss_error("line {}: an expression is missing", line_);
  if (take("(")) return parse_sequence(")");
  if (take("[")) return parse_sequence("]");
  if (take("{")) return parse_dict();
  const Token token = tokens_[0];
  Made value = make(Kind::kLiteral);
  tokens_ = tokens_.subspan(1);
  line_ = token.line;
  switch (token.kind) {
    case Token::Kind::kString:
      value->literal = json::value(token.text);
      while (!tokens_.empty() && tokens_[0].kind == Token::Kind::kString) {  // one behind the other
        value->literal.as_string().append(tokens_[0].text);
        tokens_ = tokens_.subspan(1);
      }
      return ExpressionPtr(std::move(value));
    case Token::Kind::kInteger: {
      int64_t number = 0;
      const char* end = token.text.data() + token.text.size();
      if (std::from_chars(token.text.data(), end, number).ec != std::errc())
        return data_loss_error("line {}: an integer is beyond 64 bits", token.line);
      value->literal = number;
      return ExpressionPtr(std::move(value));
    }
    case Token::Kind::kFloat:
      value->literal = std::strtod(token.text.c_str(), nullptr);
      return ExpressionPtr(std::move(value));
    case Token::Kind::kOperator:
      return data_loss_error("line {}: unexpected \"{}\"", token.line, token.text);
    case Token::Kind::kName:
      break;
  }
  if (token.text == "true" || token.text == "True")
    value->literal = true;
  else if (token.text == "false" || token.text == "False")
    value->literal = false;
  else if (token.text != "none" && token.text != "None") {
    value->kind = Kind::kName;
    value->name = token.text;
    if (take("(")) {
      value->kind = Kind::kCall;
      WDE_RETURN_IF_ERROR(parse_arguments(value.get()));
    }
  }
  return finish(std::move(value));
}

}  // namespace wde::pipeline::jinja
