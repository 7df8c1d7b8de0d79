// A way from text to ids in one pass, for tokenizers whose parts allow for one. Immutable; any
// thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace wde::tokenizer {

class TextScanner {
 public:
  virtual ~TextScanner() = default;
  // Appends the ids that the parts give `text`, which is valid UTF-8, until it ends or a word
  // leaves more than `enough` in `ids`. False, with anything in `ids`, where only the parts
  // themselves can tell.
  [[nodiscard]] virtual bool scan(std::string_view text, size_t enough,
                                  std::vector<int32_t>& ids) const = 0;
};

}  // namespace wde::tokenizer
