// A parsed template: nodes that write, and the expressions in them. Made by parser.h, run by
// template.cc. Plain data, immutable once parsed.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace wde::pipeline::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;
using Keyword = std::pair<std::string, ExpressionPtr>;

struct Expression {
  enum class Kind {
    kLiteral,      // literal
    kName,         // name
    kList,         // children
    kDict,         // keys and values in turn
    kItem,         // children[0][children[1]], or children[0].name
    kSlice,        // children[0][children[1]:children[2]]; null for none
    kCall,         // name(children, keywords)
    kMethod,       // children[0].name(the other children, keywords)
    kFilter,       // children[0] | name(the other children, keywords)
    kTest,         // children[0] is name(the other children)
    kNot,          // not children[0]
    kNegative,     // -children[0]
    kOperation,    // children[0] name children[1]
    kConditional,  // children[0] if children[1] else children[2], which may be null
  };
  Kind kind = Kind::kLiteral;
  std::string name;
  json::value literal;
  std::vector<ExpressionPtr> children;
  std::vector<Keyword> keywords;
  int line = 0;   // of the template, from 1
  int depth = 1;  // of the tree from here down
};

struct Node;
using Nodes = std::vector<Node>;

struct Node {
  enum class Kind {
    kText,    // text
    kOutput,  // {{ expression }}
    kSet,     // {% set names[0] = expression %}, or of names[0]'s member names[1]
    kIf,      // {% if expression %} body {% else %} otherwise {% endif %}
    kFor,     // {% for names in expression if filter %} body {% else %} otherwise {% endfor %}
  };
  Kind kind = Kind::kText;
  std::string text;
  std::vector<std::string> names;
  ExpressionPtr expression, filter;
  Nodes body, otherwise;
};

}  // namespace wde::pipeline::jinja
