// The WordLevel model: a word is a token or unknown.
#include "tokenizer/registry.h"
#include "tokenizer/vocabulary.h"

namespace wde::tokenizer {
namespace {

class WordLevel final : public Model {
 public:
  WordLevel(Vocabulary vocabulary, int32_t unknown_id)
      : vocabulary_(std::move(vocabulary)), unknown_id_(unknown_id) {}

  void tokenize(std::string_view text, Range word, std::vector<Token>& tokens) const override {
    tokens.push_back({id_of(text.substr(word.begin, word.end - word.begin)), word});
  }
  void append_ids(std::string_view word, std::vector<int32_t>& ids) const override {
    ids.push_back(id_of(word));
  }

  std::optional<int32_t> token_to_id(std::string_view token) const override {
    return vocabulary_.id(token);
  }
  std::string_view id_to_token(int32_t id) const override { return vocabulary_.token(id); }
  int vocab_size() const override { return vocabulary_.size(); }
  int32_t largest_id() const override { return vocabulary_.largest_id(); }

 private:
  int32_t id_of(std::string_view word) const { return vocabulary_.id(word).value_or(unknown_id_); }

  Vocabulary vocabulary_;
  int32_t unknown_id_;
};

}  // namespace

Result<std::unique_ptr<Model>> make_word_level(const json::object& spec) {
  WDE_ASSIGN_OR_RETURN(const json::object* tokens, json::get_object(spec, "vocab"));
  if (tokens == nullptr) return data_loss_error("\"vocab\" is missing");
  WDE_ASSIGN_OR_RETURN(const std::string unknown, json::get_string(spec, "unk_token", "<unk>"));
  WDE_ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::build(*tokens));
  const std::optional<int32_t> unknown_id = vocabulary.id(unknown);
  if (!unknown_id)
    return data_loss_error("the unknown token \"{}\" is not in the vocabulary", unknown);
  return Result<std::unique_ptr<Model>>(
      std::make_unique<WordLevel>(std::move(vocabulary), *unknown_id));
}

}  // namespace wde::tokenizer
