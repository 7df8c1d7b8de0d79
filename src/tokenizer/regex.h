// Regular expressions as tokenizer.json has them: in Oniguruma's syntax for Ruby, matched by PCRE2.
// A pattern is rewritten where the two mean different things, and refused where PCRE2 can't say it.
// The only files that know PCRE2. Immutable; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tokenizer/parts.h"

namespace wde::tokenizer {

class Regex {
 public:
  // Errors: kUnsupported for a construct that has no equal here, kDataLoss for a pattern that is
  // broken or too large.
  static Result<Regex> compile(std::string_view pattern);

  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  // Appends the ranges of the matches in `text`, which is valid UTF-8, in order; an empty match
  // right behind another match is none. False, with what was found until then, where a search
  // exceeds its limits of time and memory.
  [[nodiscard]] bool find_all(std::string_view text, std::vector<Range>& matches) const;

 private:
  struct Program;
  explicit Regex(std::unique_ptr<Program> program);

  std::unique_ptr<Program> program_;
};

// `pattern` in PCRE2's syntax. Errors: as compile()'s, as far as they show before compilation.
Result<std::string> translate_regex(std::string_view pattern);

}  // namespace wde::tokenizer
