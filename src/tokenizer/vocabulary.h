// Tokens and their ids, both ways. Immutable after build(); any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "tokenizer/byte_trie.h"

namespace wde::tokenizer {

// Ids are below this: it bounds what a hostile id can make us allocate; the largest vocabularies
// known have about half a million.
inline constexpr int32_t kMaxIds = 1 << 22;
inline constexpr size_t kMaxTokenBytes = 1024;
inline constexpr size_t kMaxVocabularyBytes = size_t{64} << 20;  // of all tokens

class Vocabulary {
 public:
  using Entry = std::pair<std::string_view, int32_t>;  // a token and its id

  // From {"token": id, …}. Errors: kDataLoss for an id that is no integer in [0, kMaxIds), or that
  // two tokens share, or a token that is longer than kMaxTokenBytes.
  static Result<Vocabulary> build(const json::object& ids_by_token);
  // The same from a list, in which a token may stand several times: then id() gives the largest.
  static Result<Vocabulary> build(std::vector<Entry> entries);

  std::optional<int32_t> id(std::string_view token) const { return trie_.find(token); }
  // Empty for an id that no token has.
  std::string_view token(int32_t id) const;
  int size() const { return size_; }
  int32_t largest_id() const { return static_cast<int32_t>(spans_.size()) - 1; }
  const ByteTrie& trie() const { return trie_; }

 private:
  struct Span {
    uint32_t begin = 0;
    uint32_t length = 0;
  };
  std::string bytes_;        // all tokens, one behind the other
  std::vector<Span> spans_;  // by id
  ByteTrie trie_;
  int size_ = 0;
};

}  // namespace wde::tokenizer
