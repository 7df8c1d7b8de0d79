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
        inside_(vocabulary_.trie().walk(ByteTrie::kRoot, prefix)),
        max_chars_per_word_(max_chars_per_word) {}

  void tokenize(std::string_view text, Range word, std::vector<Token>& tokens) const override {
    const size_t tokens_before = tokens.size();
    uint32_t begin = too_long(text, word) ? word.end : word.begin;
    bool covered = begin == word.begin;
    for (; covered && begin != word.end; begin = tokens.back().range.end) {
      covered =
          match(text, {begin, word.end}, begin == word.begin ? ByteTrie::kRoot : inside_, tokens);
      if (!covered) break;
    }
    if (covered) return;
    tokens.resize(tokens_before);
    tokens.push_back({unknown_id_, word});
  }

  std::optional<int32_t> token_to_id(std::string_view token) const override {
    return vocabulary_.id(token);
  }
  std::string_view id_to_token(int32_t id) const override { return vocabulary_.token(id); }
  int vocab_size() const override { return vocabulary_.size(); }
  int32_t largest_id() const override { return vocabulary_.largest_id(); }

 private:
  bool too_long(std::string_view text, Range word) const {
    const size_t bytes = word.end - word.begin;
    return bytes > max_chars_per_word_ &&
           count_code_points(text.substr(word.begin, bytes)) > max_chars_per_word_;
  }

  // Appends the longest token that `rest` begins with, if there is one.
  bool match(std::string_view text, Range rest, uint32_t from, std::vector<Token>& tokens) const {
    const ByteTrie& trie = vocabulary_.trie();
    Token longest;
    uint32_t node = from;
    for (uint32_t at = rest.begin; at != rest.end && node != ByteTrie::kNowhere;) {
      node = trie.step(node, static_cast<uint8_t>(text[at++]));
      if (node != ByteTrie::kNowhere && trie.number(node) >= 0) {
        longest = {trie.number(node), {rest.begin, at}};
      }
    }
    if (longest.range.end == 0) return false;
    tokens.push_back(longest);
    return true;
  }

  Vocabulary vocabulary_;
  int32_t unknown_id_;
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
