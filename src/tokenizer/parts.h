// The contracts of the interchangeable parts of a tokenizer and what they pass to each other. A
// part is made by its factory in registry.cc from its section of tokenizer.json, is immutable
// afterwards, and may be used from any thread at once. Parts know nothing of each other.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/code_point_map.h"
#include "tokenizer/normalized_text.h"
#include "tokenizer/word_patterns.h"

namespace wde::tokenizer {

// Half-open range of bytes of a normalized text.
struct Range {
  uint32_t begin = 0;
  uint32_t end = 0;
};

struct Token {
  int32_t id = 0;
  Range range;         // of the normalized text
  bool added = false;  // found by the added vocabulary, not by the model
};

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void normalize(NormalizedText& text) const = 0;
  // The largest factor by which normalize() can lengthen a text in bytes; an upper bound, at
  // least 1.
  virtual double growth() const = 0;
  // What becomes of each code point, for a normalizer under which the pieces of a text that is cut
  // before or behind ASCII white space become what they become within it; null for any other.
  virtual const CodePointMap* code_points() const { return nullptr; }
  // Whether normalize() certainly leaves `text` as it is; false tells nothing.
  virtual bool keeps(std::string_view) const { return false; }
};

// A stretch of a normalized text that no added token interrupts.
struct Stretch {
  Range range;
  bool begins_text = false;  // nothing of the original stands before it
};

// How a pre-tokenizer cuts, for one whose words follow each other without gaps and depend on
// nothing that stands before them.
struct Cutting {
  WordEnd word_end = nullptr;  // null: a stretch is one word
  bool adds_space = false;     // before a stretch that does not begin with one
  bool writes_bytes = false;   // words are spelt as byte_level.h says
};

// Either a splitter, which only cuts: it implements split(). Or one that also changes what it cuts:
// it implements rewrites(), rewrite() and growth().
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Appends the words of text[within], none of them empty, in order.
  virtual void split(std::string_view text, Range within, std::vector<Range>& words) const;
  // Whether rewrite() must be called in split()'s place.
  virtual bool rewrites() const { return false; }
  // Appends to `to` what becomes of the stretch of `from`, which is tracked alike, and to `words`
  // its words, as ranges of `to`; as split() otherwise.
  virtual void rewrite(const NormalizedText& from, Stretch stretch, NormalizedText& to,
                       std::vector<Range>& words) const;
  // The largest factor by which rewrite() can lengthen a stretch in bytes, as a normalizer's.
  virtual double growth() const { return 1; }
  // For a pre-tokenizer that drops white space, makes a word of every code point of some classes
  // (bits of unicode::CharClass) and joins all others: those classes; nothing for any other.
  virtual std::optional<uint8_t> alone() const { return std::nullopt; }
  // Nothing for one that can't be told in these terms.
  virtual std::optional<Cutting> cutting() const { return std::nullopt; }
};

class Model {
 public:
  virtual ~Model() = default;
  // Appends the tokens of text[word], which must not be empty; none where the model drops what it
  // does not know.
  virtual void tokenize(std::string_view text, Range word, std::vector<Token>& tokens) const = 0;
  // Appends the ids that tokenize() gives `word`, which must not be empty.
  virtual void append_ids(std::string_view word, std::vector<int32_t>& ids) const {
    std::vector<Token> tokens;
    tokenize(word, {0, static_cast<uint32_t>(word.size())}, tokens);
    for (const Token& token : tokens) ids.push_back(token.id);
  }
  // Whether append_ids_of_bytes() may be called.
  virtual bool takes_bytes() const { return false; }
  // Appends the ids of a word of any bytes, not empty: those of its spelling (byte_level.h).
  virtual void append_ids_of_bytes(std::string_view, std::vector<int32_t>&) const {}
  virtual std::optional<int32_t> token_to_id(std::string_view token) const = 0;
  // Empty for an id that no token has. Points into the model.
  virtual std::string_view id_to_token(int32_t id) const = 0;
  virtual int vocab_size() const = 0;
  virtual int32_t largest_id() const = 0;  // -1 for an empty vocabulary
  // What stands before tokens that go on with a word ("##"); empty where there is no such mark.
  virtual std::string_view continuing_subword_prefix() const { return {}; }
};

// Where the sequences and the special tokens stand in the result.
struct TemplatePiece {
  enum class Kind : int8_t { kText = 0, kPair = 1, kSpecial = -1 };
  Kind kind = Kind::kSpecial;
  int32_t id = 0;  // of a special token
  int32_t type_id = 0;
};
using Template = std::vector<TemplatePiece>;

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  virtual const Template& layout(bool pair) const = 0;
  // Cuts white space at the ends of a token's value off its offset; `first` says that the token is
  // the first of its sequence.
  virtual Offset trim(std::string_view value, Offset offset, bool first) const = 0;
  virtual bool trims() const = 0;
};

class Decoder {
 public:
  virtual ~Decoder() = default;
  // Turns tokens into pieces of text, as many or fewer; what they are at the end of a chain of
  // decoders is joined to the text.
  virtual void decode(std::vector<std::string>& tokens) const = 0;
};

}  // namespace wde::tokenizer
