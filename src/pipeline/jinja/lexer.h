// Cuts a template into text, tags and the tokens in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace wde::pipeline::jinja {

struct Token {
  enum class Kind { kName, kInteger, kFloat, kString, kOperator };
  Kind kind;
  std::string text;
  int line = 0;

  bool is(std::string_view word) const { return kind != Kind::kString && text == word; }
};

struct Segment {
  enum class Kind { kText, kOutput, kStatement };
  Kind kind = Kind::kText;
  std::string text;           // kText
  std::vector<Token> tokens;  // the others
  int line = 0;
};

// White space as Jinja's trim_blocks and lstrip_blocks leave it, which is how chat templates are
// rendered. Errors: kDataLoss, naming the line.
Result<std::vector<Segment>> cut_template(std::string_view source);

}  // namespace wde::pipeline::jinja
