// Byte-pair encoding: a word falls into its characters, and neighbours merge by the ranks of a
// table. Ids are those of the `tokenizers` package (models/bpe), dropout aside. Immutable but for
// the cache of words, which any thread may read and fill.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "tokenizer/merge_symbols.h"
#include "tokenizer/parts.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_cache.h"

namespace wde::tokenizer {

struct BpeOptions {
  std::string prefix;  // of every character's token but the first of a word
  std::string suffix;  // of the last one's
  std::optional<int32_t> unknown_id;
  bool fuses_unknown = false;   // a run of unknown characters is one token
  bool byte_fallback = false;   // an unknown character is its bytes' tokens, <0x00> to <0xFF>
  bool ignores_merges = false;  // a word that is a token is that
};

class Bpe final : public Model {
 public:
  Bpe(Vocabulary vocabulary, MergeTable merges, BpeOptions options, bool marks_begin_words);

  void tokenize(std::string_view text, Range word, std::vector<Token>& tokens) const override;
  void append_ids(std::string_view word, std::vector<int32_t>& ids) const override;
  bool takes_bytes() const override { return options_.prefix.empty() && options_.suffix.empty(); }
  void append_ids_of_bytes(std::string_view word, std::vector<int32_t>& ids) const override;

  std::optional<int32_t> token_to_id(std::string_view token) const override {
    return vocabulary_.id(token);
  }
  std::string_view id_to_token(int32_t id) const override { return vocabulary_.token(id); }
  int vocab_size() const override { return vocabulary_.size(); }
  int32_t largest_id() const override { return vocabulary_.largest_id(); }

 private:
  // A word's symbols, on the stack where it is short.
  class Symbols;

  template <class Visit>
  void for_each_part(std::string_view word, const Visit& visit) const;
  void begin(std::string_view word, Symbols& symbols) const;
  void begin_bytes(std::string_view word, Symbols& symbols) const;
  void add_unknown(std::string_view spelling, uint32_t length, Symbol& pending,
                   Symbols& symbols) const;
  void append_part(std::string_view part, std::vector<int32_t>& ids) const;

  Vocabulary vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  // U+2581 begins a word, and nothing merges across that: a text of many words falls apart there.
  bool marks_begin_words_;
  std::array<int32_t, 256> char_ids_;  // of the characters that spell bytes, -1 where there is none
  std::array<int32_t, 256> fallback_ids_;  // <0x00> to <0xFF>, -1 where there is none
  mutable WordCache cache_;
};

}  // namespace wde::tokenizer
