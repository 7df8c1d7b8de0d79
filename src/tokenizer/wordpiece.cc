// The WordPiece model: greedy longest match from the left; a word that can't be covered, or is too
// long, is one unknown token. A step of the match is a walk down the vocabulary's trie, from the
// root at a word's begin and from the node behind the continuing prefix within it.
#include <algorithm>

#include "base/utf8.h"
#include "tokenizer/registry.h"
#include "tokenizer/vocabulary.h"

namespace wde::tokenizer {
namespace {

class WordPiece final : public Model {
 public:
  WordPiece(Vocabulary vocabulary, int32_t unknown_id, std::string_view prefix,
            size_t max_chars_per_word)
      : vocabulary_(std::move(vocabulary)),
        unknown_id_(unknown_id),
        prefix_(prefix),
        inside_(vocabulary_.trie().walk(ByteTrie::kRoot, prefix)),
        max_chars_per_word_(max_chars_per_word) {}

  void tokenize(std::string_view text, Range word, std::vector<Token>& tokens) const override {
    const size_t tokens_before = tokens.size();
    const bool covered =
        cover(text.substr(word.begin, word.end - word.begin), [&](const Piece& piece) {
          tokens.push_back({piece.id, {word.begin + piece.begin, word.begin + piece.end}});
        });
    if (covered) return;
    tokens.resize(tokens_before);
    tokens.push_back({unknown_id_, word});
  }

  void append_ids(std::string_view word, std::vector<int32_t>& ids) const override {
    const size_t ids_before = ids.size();
    if (cover(word, [&](const Piece& piece) { ids.push_back(piece.id); })) return;
    ids.resize(ids_before);
    ids.push_back(unknown_id_);
  }

  std::optional<int32_t> token_to_id(std::string_view token) const override {
    return vocabulary_.id(token);
  }
  std::string_view id_to_token(int32_t id) const override { return vocabulary_.token(id); }
  int vocab_size() const override { return vocabulary_.size(); }
  int32_t largest_id() const override { return vocabulary_.largest_id(); }
  std::string_view continuing_subword_prefix() const override { return prefix_; }

 private:
  struct Piece {
    int32_t id = -1;
    uint32_t begin = 0;  // bytes of the word
    uint32_t end = 0;
  };

  // Calls visit(piece) for the pieces of `word` from the left; false where they end before it does.
  template <class Visit>
  bool cover(std::string_view word, const Visit& visit) const {
    if (too_long(word)) return false;
    uint32_t from = ByteTrie::kRoot;
    for (Piece piece; piece.end != word.size(); from = inside_) {
      piece = longest(word, piece.end, from);
      if (piece.id < 0) return false;
      visit(piece);
    }
    return true;
  }

  bool too_long(std::string_view word) const {
    return word.size() > max_chars_per_word_ && count_code_points(word) > max_chars_per_word_;
  }

  // The longest token that the word's rest begins with; id -1 where there is none.
  Piece longest(std::string_view word, uint32_t begin, uint32_t node) const {
    const ByteTrie& trie = vocabulary_.trie();
    Piece longest;
    for (size_t at = begin; at != word.size() && node != ByteTrie::kNowhere;) {
      node = trie.step(node, static_cast<uint8_t>(word[at++]));
      if (node != ByteTrie::kNowhere && trie.number(node) >= 0)
        longest = {trie.number(node), begin, static_cast<uint32_t>(at)};
    }
    return longest;
  }

  Vocabulary vocabulary_;
  int32_t unknown_id_;
  std::string prefix_;
  uint32_t inside_;  // kNowhere when no token continues a word
  size_t max_chars_per_word_;
};

}  // namespace

Result<std::unique_ptr<Model>> make_wordpiece(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const json::object* tokens, json::get_object(spec, "vocab"));
  if (tokens == nullptr) return data_loss_error("\"vocab\" is missing");
  WDE_ASSIGN_OR_RETURN(const std::string unknown, json::get_string(spec, "unk_token", "[UNK]"));
  WDE_ASSIGN_OR_RETURN(const std::string prefix,
                       json::get_string(spec, "continuing_subword_prefix", "##"));
  WDE_ASSIGN_OR_RETURN(const int64_t max_chars,
                       json::get_int(spec, "max_input_chars_per_word", 100));
  if (max_chars < 0) return data_loss_error("\"max_input_chars_per_word\" is negative");
  WDE_ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::build(*tokens));
  const std::optional<int32_t> unknown_id = vocabulary.id(unknown);
  if (!unknown_id)
    return data_loss_error("the unknown token \"{}\" is not in the vocabulary", unknown);
  return Result<std::unique_ptr<Model>>(std::make_unique<WordPiece>(
      std::move(vocabulary), *unknown_id, prefix, static_cast<size_t>(max_chars)));
}

}  // namespace wde::tokenizer
