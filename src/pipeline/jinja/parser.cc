#include "pipeline/jinja/parser.h"

#include "pipeline/jinja/expression_parser.h"
#include "pipeline/jinja/lexer.h"

namespace wde::pipeline::jinja {
namespace {

constexpr int kMaxDepth = 64;

class Parser {
 public:
  explicit Parser(std::vector<Segment> segments) : segments_(std::move(segments)) {}

  Result<Nodes> parse() {
    WDE_ASSIGN_OR_RETURN(Nodes nodes, parse_nodes());
    if (at_ == segments_.size()) return nodes;
    return data_loss_error("line {}: \"{}\" ends nothing", segments_[at_].line, word());
  }

 private:
  // Of the statement at hand.
  std::string_view word() const {
    const std::vector<Token>& tokens = segments_[at_].tokens;
    return tokens.empty() ? std::string_view() : std::string_view(tokens[0].text);
  }
  int last_line() const { return at_ == 0 ? 1 : segments_[at_ - 1].line; }
  ExpressionParser rest() const {
    const Segment& segment = segments_[at_];
    return {std::span(segment.tokens).subspan(1), segment.line};
  }
  bool at_end_of(std::string_view block) const {
    return at_ < segments_.size() && segments_[at_].kind == Segment::Kind::kStatement &&
           word() == block;
  }
  Status expect_end(std::string_view block, int line) {
    if (!at_end_of(block)) return data_loss_error("line {}: \"{}\" is missing", line, block);
    ++at_;
    return {};
  }

  // Up to a statement that begins none: an end, or else.
  Result<Nodes> parse_nodes() {
    if (++depth_ > kMaxDepth) return data_loss_error("line {}: statements too deep", last_line());
    Nodes nodes;
    for (; at_ < segments_.size();) {
      Segment& segment = segments_[at_];
      Node node;
      if (segment.kind == Segment::Kind::kText) {
        node.text = std::move(segment.text);
        ++at_;
      } else if (segment.kind == Segment::Kind::kOutput) {
        node.kind = Node::Kind::kOutput;
        WDE_ASSIGN_OR_RETURN(node.expression, parse_whole({segment.tokens, segment.line}));
        ++at_;
      } else if (word().starts_with("end") || word() == "else" || word() == "elif") {
        break;
      } else {
        WDE_ASSIGN_OR_RETURN(node, parse_statement());
      }
      nodes.push_back(std::move(node));
    }
    --depth_;
    return nodes;
  }

  static Result<ExpressionPtr> parse_whole(ExpressionParser parser) {
    WDE_ASSIGN_OR_RETURN(ExpressionPtr expression, parser.parse());
    WDE_RETURN_IF_ERROR(parser.expect_end());
    return expression;
  }

  Result<Node> parse_statement() {
    if (word() == "if") return parse_if();
    if (word() == "for") return parse_for();
    if (word() == "set") return parse_set();
    return unsupported_error("line {}: the statement \"{}\" is not supported; if, for and set are",
                             segments_[at_].line, word());
  }

  Result<Node> parse_if() {
    const int line = segments_[at_].line;
    Node node;
    node.kind = Node::Kind::kIf;
    WDE_ASSIGN_OR_RETURN(node.expression, parse_whole(rest()));
    ++at_;
    WDE_ASSIGN_OR_RETURN(node.body, parse_nodes());
    if (at_end_of("elif")) {  // its own end is this one's
      if (++depth_ > kMaxDepth) return data_loss_error("line {}: statements too deep", line);
      WDE_ASSIGN_OR_RETURN(Node next, parse_if());
      --depth_;
      node.otherwise.push_back(std::move(next));
      return node;
    }
    WDE_RETURN_IF_ERROR(parse_else(&node));
    WDE_RETURN_IF_ERROR(expect_end("endif", line));
    return node;
  }

  Status parse_else(Node* node) {
    if (!at_end_of("else")) return {};
    ++at_;
    WDE_ASSIGN_OR_RETURN(node->otherwise, parse_nodes());
    return {};
  }

  Result<Node> parse_for() {
    const int line = segments_[at_].line;
    ExpressionParser parser = rest();
    Node node;
    node.kind = Node::Kind::kFor;
    do {
      WDE_ASSIGN_OR_RETURN(std::string name, parser.take_name());
      node.names.push_back(std::move(name));
    } while (parser.take(","));
    WDE_RETURN_IF_ERROR(parser.expect("in"));
    WDE_ASSIGN_OR_RETURN(node.expression, parser.parse_or());
    if (parser.take("if")) {
      WDE_ASSIGN_OR_RETURN(node.filter, parser.parse_or());
    }
    WDE_RETURN_IF_ERROR(parser.expect_end());
    ++at_;
    WDE_ASSIGN_OR_RETURN(node.body, parse_nodes());
    WDE_RETURN_IF_ERROR(parse_else(&node));
    WDE_RETURN_IF_ERROR(expect_end("endfor", line));
    return node;
  }

  Result<Node> parse_set() {
    ExpressionParser parser = rest();
    Node node;
    node.kind = Node::Kind::kSet;
    WDE_ASSIGN_OR_RETURN(std::string name, parser.take_name());
    node.names.push_back(std::move(name));
    if (parser.take(".")) {
      WDE_ASSIGN_OR_RETURN(std::string member, parser.take_name());
      node.names.push_back(std::move(member));
    }
    WDE_RETURN_IF_ERROR(parser.expect("="));
    WDE_ASSIGN_OR_RETURN(node.expression, parser.parse());
    WDE_RETURN_IF_ERROR(parser.expect_end());
    ++at_;
    return node;
  }

  std::vector<Segment> segments_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<Nodes> parse_template(std::string_view source) {
  WDE_ASSIGN_OR_RETURN(std::vector<Segment> segments, cut_template(source));
  return Parser(std::move(segments)).parse();
}

}  // namespace wde::pipeline::jinja
