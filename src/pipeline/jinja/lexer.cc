#include "pipeline/jinja/lexer.h"

#include <algorithm>
#include <array>

namespace wde::pipeline::jinja {
namespace {

constexpr auto kTwoCharacters =
    std::to_array<std::string_view>({"==", "!=", "<=", ">=", "//", "**"});
constexpr std::string_view kOneCharacter = "+-*/%~<>=|.,:()[]{}";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Cutter {
 public:
  explicit Cutter(std::string_view source) : source_(source) {
    if (source_.ends_with('\n')) source_.remove_suffix(1);
  }

  Result<std::vector<Segment>> cut() {
    while (at_ < source_.size()) {
      const size_t tag = find_tag();
      add_text(tag);
      if (tag == source_.size()) break;
      at_ = tag;
      WDE_RETURN_IF_ERROR(cut_tag());
    }
    return std::move(segments_);
  }

 private:
  char peek(size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }
  void step(size_t count = 1) {
    for (; count > 0 && at_ < source_.size(); --count) line_ += source_[at_++] == '\n';
  }
  bool starts_with(std::string_view word) const { return source_.substr(at_).starts_with(word); }

  size_t find_tag() const {
    for (size_t i = at_; i + 1 < source_.size(); ++i) {
      if (source_[i] != '{') continue;
      const char next = source_[i + 1];
      if (next == '{' || next == '%' || next == '#') return i;
    }
    return source_.size();
  }

  // The text up to `end`, of which the tag behind it may take white space away.
  void add_text(size_t end) {
    std::string_view text = source_.substr(at_, end - at_);
    const int line = line_;
    step(text.size());
    const bool tag = end + 2 < source_.size();
    if (tag && source_[end + 2] == '-') {
      while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    } else if (tag && source_[end + 1] != '{' && source_[end + 2] != '+') {
      text = without_indentation(text, end);
    }
    if (!text.empty()) segments_.push_back({Segment::Kind::kText, std::string(text), {}, line});
  }

  // lstrip_blocks: what stands before a statement on its line, if that is white space alone.
  std::string_view without_indentation(std::string_view text, size_t end) const {
    const size_t last = text.find_last_not_of(" \t");
    const bool whole = last == std::string_view::npos;
    if (whole ? end == text.size() || source_[end - text.size() - 1] == '\n' : text[last] == '\n') {
      return whole ? std::string_view() : text.substr(0, last + 1);
    }
    return text;
  }

  Status cut_tag() {
    const char kind = peek(1);
    const int line = line_;
    step(2);
    if (kind == '#') return skip_comment(line);
    if (peek() == '-' || peek() == '+') step();
    Segment segment;
    segment.kind = kind == '{' ? Segment::Kind::kOutput : Segment::Kind::kStatement;
    segment.line = line;
    const std::string_view close = kind == '{' ? "}}" : "%}";
    int braces = 0;
    for (;;) {
      while (is_space(peek())) step();
      if (at_ >= source_.size()) return data_loss_error("line {}: a tag has no end", line);
      const bool marked = peek() == '-' || peek() == '+';
      if (braces == 0 &&
          source_.substr(std::min(at_ + marked, source_.size())).starts_with(close)) {
        const char mark = marked ? peek() : ' ';
        step(marked ? 3 : 2);
        segments_.push_back(std::move(segment));
        end_tag(kind, mark);
        return {};
      }
      WDE_ASSIGN_OR_RETURN(Token token, next_token());
      if (token.is("{")) ++braces;
      if (token.is("}")) --braces;
      segment.tokens.push_back(std::move(token));
    }
  }

  Status skip_comment(int line) {
    const size_t end = source_.find("#}", at_);
    if (end == std::string_view::npos)
      return data_loss_error("line {}: a comment has no end", line);
    const char mark = end > at_ ? source_[end - 1] : ' ';
    step(end + 2 - at_);
    end_tag('#', mark);
    return {};
  }

  // `mark` is what stands before the closing delimiter.
  void end_tag(char kind, char mark) {
    if (mark == '-') {
      while (is_space(peek())) step();
    } else if (kind != '{' && mark != '+') {  // trim_blocks
      if (starts_with("\r\n"))
        step(2);
      else if (peek() == '\n')
        step();
    }
  }

  Result<Token> next_token() {
    const int line = line_;
    const char c = peek();
    if (c == '"' || c == '\'') return string_token();
    const size_t begin = at_;
    if (is_letter(c)) {
      while (is_letter(peek()) || is_digit(peek())) step();
      return Token{Token::Kind::kName, std::string(source_.substr(begin, at_ - begin)), line};
    }
    if (is_digit(c)) {
      while (is_digit(peek())) step();
      const bool fraction = peek() == '.' && is_digit(peek(1));
      if (fraction) step();
      while (is_digit(peek())) step();
      return Token{fraction ? Token::Kind::kFloat : Token::Kind::kInteger,
                   std::string(source_.substr(begin, at_ - begin)), line};
    }
    const std::string_view two = source_.substr(at_, 2);
    const bool is_two =
        std::find(kTwoCharacters.begin(), kTwoCharacters.end(), two) != kTwoCharacters.end();
    if (!is_two && kOneCharacter.find(c) == std::string_view::npos) {
      return data_loss_error("line {}: unexpected \"{}\"", line, c);
    }
    step(is_two ? 2 : 1);
    return Token{Token::Kind::kOperator, std::string(source_.substr(begin, at_ - begin)), line};
  }

  Result<Token> string_token() {
    const int line = line_;
    const char quote = peek();
    std::string text;
    for (step(); peek() != quote; step()) {
      if (at_ >= source_.size()) return data_loss_error("line {}: a string has no end", line);
      if (peek() != '\\') {
        text += peek();
        continue;
      }
      step();
      constexpr std::string_view kEscapes = "nrt0\\'\"", kMeanings("\n\r\t\0\\'\"", 7);
      const size_t escape = kEscapes.find(peek());
      if (escape == std::string_view::npos)
        return data_loss_error("line {}: a string has the escape \\{}, which is not known", line_,
                               peek());
      text += kMeanings[escape];
    }
    step();
    return Token{Token::Kind::kString, std::move(text), line};
  }

  std::string_view source_;
  size_t at_ = 0;
  int line_ = 1;
  std::vector<Segment> segments_;
};

}  // namespace

Result<std::vector<Segment>> cut_template(std::string_view source) { return Cutter(source).cut(); }

}  // namespace wde::pipeline::jinja
