// Text to ids for tokenizers that cut a text by a pattern and spell its words in bytes (GPT-2's
// kind): words go to the model as they stand in the text, none is written anew. It keeps no
// offsets. Immutable; any thread.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/added_vocabulary.h"
#include "tokenizer/parts.h"
#include "tokenizer/text_scanner.h"

namespace wde::tokenizer {

class ByteWordScanner final : public TextScanner {
 public:
  // The parts must outlive the scanner. Null where they do anything else.
  static std::unique_ptr<ByteWordScanner> make(const Normalizer* normalizer,
                                               const PreTokenizer* pre_tokenizer,
                                               const Model& model, const AddedTokenMatcher& added);

  // False where the normalizer exceeds its limits.
  [[nodiscard]] bool scan(std::string_view text, size_t enough,
                          std::vector<int32_t>& ids) const override;

 private:
  ByteWordScanner(const Normalizer* normalizer, Cutting cutting, const Model& model,
                  const AddedTokenMatcher& added)
      : normalizer_(normalizer), cutting_(cutting), model_(model), added_(added) {}
  void scan_normalized(std::string_view text, size_t enough, std::vector<int32_t>& ids) const;
  void scan_stretch(std::string_view stretch, size_t enough, std::vector<int32_t>& ids) const;

  const Normalizer* normalizer_;  // may be null
  const Cutting cutting_;
  const Model& model_;
  const AddedTokenMatcher& added_;  // found in normalized text
};

}  // namespace wde::tokenizer
