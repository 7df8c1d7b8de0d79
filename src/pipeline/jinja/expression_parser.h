// The expressions of a template, by Jinja's precedence: conditional, or, and, not, comparison, +
// and -, ~, *, // and %, unary minus, then what follows a value (member, item, call, filter, test).
#pragma once

#include <span>

#include "base/status.h"
#include "pipeline/jinja/lexer.h"
#include "pipeline/jinja/syntax.h"

namespace wde::pipeline::jinja {

// Reads from the front of a tag's tokens. Errors: kDataLoss, naming the line.
class ExpressionParser {
 public:
  ExpressionParser(std::span<const Token> tokens, int line) : tokens_(tokens), line_(line) {}

  Result<ExpressionPtr> parse();  // a whole expression, with commas a list
  // Without a trailing "if", which is the for statement's own.
  Result<ExpressionPtr> parse_or();

  bool done() const { return tokens_.empty(); }
  bool take(std::string_view word);
  Result<std::string> take_name();
  Status expect(std::string_view word);
  Status expect_end() const;

 private:
  using Made = std::unique_ptr<Expression>;
  using Kind = Expression::Kind;

  Result<ExpressionPtr> parse_conditional();
  Result<ExpressionPtr> parse_and();
  Result<ExpressionPtr> parse_not();
  Result<ExpressionPtr> parse_comparison();
  Result<ExpressionPtr> parse_sum();
  Result<ExpressionPtr> parse_concatenation();
  Result<ExpressionPtr> parse_product();
  Result<ExpressionPtr> parse_unary();
  Result<ExpressionPtr> parse_postfix();
  Result<ExpressionPtr> parse_primary();
  Result<ExpressionPtr> parse_item(ExpressionPtr of);
  Result<ExpressionPtr> parse_member(ExpressionPtr of);
  Result<ExpressionPtr> parse_filter(ExpressionPtr of);
  Result<ExpressionPtr> parse_test(ExpressionPtr of);
  Result<ExpressionPtr> parse_sequence(std::string_view close);
  Result<ExpressionPtr> parse_dict();
  Status parse_arguments(Expression* call);

  Made make(Kind kind, std::string name = {}) const;
  // Where its children are all there: sets the depth. Errors: kDataLoss, too deep a tree.
  Result<ExpressionPtr> finish(Made made) const;
  Result<ExpressionPtr> finish(Made made, ExpressionPtr child) const;
  Result<ExpressionPtr> finish(Made operation, ExpressionPtr left, ExpressionPtr right) const;
  bool next_is(std::string_view word) const { return !tokens_.empty() && tokens_[0].is(word); }

  std::span<const Token> tokens_;
  int line_;
  int depth_ = 0;  // of the parser's own recursion: hostile expressions in expressions end
};

}  // namespace wde::pipeline::jinja
