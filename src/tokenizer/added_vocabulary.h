// Tokens that stand outside the model: special tokens and others that were added to it. They are
// found in a text before (normalized: false) or after normalization (normalized: true), longest
// match first, and never reach the model. Immutable after build(); any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "tokenizer/byte_trie.h"
#include "tokenizer/parts.h"

namespace wde::tokenizer {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  std::string pattern;       // what is looked for: content, normalized where that is asked for
  bool single_word = false;  // only where no word character is next to it
  bool lstrip = false;       // takes the white space on its left along
  bool rstrip = false;
  bool normalized = true;
  bool special = false;
};

// A part of a text: an added token, or what stands between them.
struct Segment {
  Range range;
  const AddedToken* token = nullptr;  // null: plain text
};

// Leftmost-longest search for a set of patterns.
class AddedTokenMatcher {
 public:
  AddedTokenMatcher() : AddedTokenMatcher(std::vector<const AddedToken*>()) {}
  // The tokens must outlive the matcher. Of equal patterns the first wins.
  explicit AddedTokenMatcher(std::vector<const AddedToken*> tokens);

  bool empty() const { return tokens_.empty(); }
  // Whether a pattern begins with `byte`.
  bool may_begin_with(char byte) const {
    return patterns_.step(ByteTrie::kRoot, static_cast<uint8_t>(byte)) != ByteTrie::kNowhere;
  }
  // Whether a pattern may begin within `text`; false is certain.
  bool may_be_in(std::string_view text) const;
  // Appends the segments of text[within], empty ones left out, in order. Where a token with rstrip
  // has taken white space that itself is an added token, segments overlap, as the `tokenizers`
  // package has it.
  void split(std::string_view text, Range within, std::vector<Segment>& segments) const;

 private:
  const AddedToken* longest_at(std::string_view text) const;

  std::vector<const AddedToken*> tokens_;  // sorted by pattern
  ByteTrie patterns_;                      // to places in tokens_
  std::string first_bytes_;                // all bytes with which a pattern begins
};

class AddedVocabulary {
 public:
  // From tokenizer.json's "added_tokens" (null: none). Ids are given as the `tokenizers` package
  // gives them: the model's where it knows the token, else the next free one; an id in the file
  // that says otherwise is logged. `normalizer` may be null. Errors: kDataLoss.
  static Result<AddedVocabulary> build(const json::array* specs, const Model& model,
                                       const Normalizer* normalizer);

  AddedVocabulary(AddedVocabulary&&) = default;
  AddedVocabulary& operator=(AddedVocabulary&&) = default;

  const AddedTokenMatcher& raw() const { return raw_; }
  const AddedTokenMatcher& normalized() const { return normalized_; }
  const AddedToken* find(int32_t id) const;
  std::optional<int32_t> id(std::string_view content) const;
  // Whether a token that reads like this is left out by decode(skip_special_tokens).
  bool is_special_content(std::string_view content) const;
  int32_t largest_id() const { return tokens_.empty() ? -1 : tokens_.rbegin()->first; }
  // How many of the tokens the model does not know.
  int beyond_model() const { return beyond_model_; }

 private:
  AddedVocabulary() = default;
  Status add(AddedToken token, int64_t id_in_file, const Model& model, int32_t& next_id);
  void index();

  std::map<int32_t, AddedToken> tokens_;  // nodes keep their addresses when the vocabulary moves
  std::map<std::string, int32_t, std::less<>> ids_;
  std::set<std::string, std::less<>> special_contents_;
  AddedTokenMatcher raw_;
  AddedTokenMatcher normalized_;
  int beyond_model_ = 0;
};

}  // namespace wde::tokenizer
