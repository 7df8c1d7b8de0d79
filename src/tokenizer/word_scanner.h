// Text to ids in one pass, for tokenizers whose normalizer and pre-tokenizer look at one code point
// at a time (BERT's): each code point is normalized and joined to a word or ends one as it is read,
// and a finished word goes straight to the model. It keeps no offsets. Whatever such a pass can't
// tell goes through the parts themselves, so that the ids are always theirs. Immutable; any thread.
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/added_vocabulary.h"
#include "tokenizer/parts.h"
#include "tokenizer/text_scanner.h"

namespace wde::tokenizer {

class WordScanner final : public TextScanner {
 public:
  // The parts must outlive the scanner. Null where they do more than look at one code point.
  static std::unique_ptr<WordScanner> make(const Normalizer* normalizer,
                                           const PreTokenizer* pre_tokenizer, const Model& model,
                                           const AddedTokenMatcher& added);

  // False when the normalized text may hold an added token.
  [[nodiscard]] bool scan(std::string_view text, size_t enough,
                          std::vector<int32_t>& ids) const override;

 private:
  enum class Role : uint8_t {
    kJoins,    // belongs to the word that is being read, or begins one
    kDropped,  // as if it were not there
    kAlone,    // a word by itself
    kBreaks,   // white space between words
    kAdded,    // an added token may begin here
    kBeyond,   // no ASCII
  };
  // What an ASCII byte becomes, and what that does.
  struct Step {
    Role role = Role::kBeyond;
    char byte = 0;
  };
  class Scan;

  WordScanner(const Normalizer& normalizer, const PreTokenizer& pre_tokenizer, const Model& model,
              const AddedTokenMatcher& added);
  Role role_of(char32_t normalized) const;

  const Normalizer& normalizer_;
  const PreTokenizer& pre_tokenizer_;
  const Model& model_;
  const AddedTokenMatcher& added_;  // found in normalized text
  const CodePointMap& map_;
  const uint8_t alone_;
  const unicode::CharClasses& classes_;
  std::array<Step, 256> steps_;
};

}  // namespace wde::tokenizer
