// The Tokenizer that runs the parts one after the other. Owned by whoever loaded it; immutable; any
// thread.
#pragma once

#include <memory>
#include <vector>

#include "tokenizer/added_vocabulary.h"
#include "tokenizer/parts.h"
#include "tokenizer/text_scanner.h"
#include "tokenizer/tokenizer.h"

namespace wde::tokenizer {

struct Parts {
  std::unique_ptr<Normalizer> normalizer;       // null: the text stays as it is
  std::unique_ptr<PreTokenizer> pre_tokenizer;  // null: the text is one word
  std::unique_ptr<Model> model;
  std::unique_ptr<PostProcessor> post_processor;
  std::unique_ptr<Decoder> decoder;  // null: tokens are joined by spaces
};

class Pipeline final : public Tokenizer {
 public:
  // Errors: kDataLoss when the post-processor adds a token that is in no vocabulary.
  static Result<std::unique_ptr<Tokenizer>> make(Parts parts, AddedVocabulary added);

  Result<Encoding> encode(std::string_view text, std::optional<std::string_view> pair,
                          const EncodeOptions& options) const override;
  Result<Encoding> encode_ids(std::span<const int32_t> ids,
                              const EncodeOptions& options) const override;
  Result<std::string> decode(std::span<const int32_t> ids, bool skip_special_tokens) const override;
  int vocab_size() const override;
  std::optional<int32_t> token_to_id(std::string_view token) const override;
  std::string_view id_to_token(int32_t id) const override;
  std::string_view continuing_subword_prefix() const override {
    return parts_.model->continuing_subword_prefix();
  }
  int special_tokens_added(bool pair) const override;

 private:
  // One text on its way: the ids found in it and, where offsets are wanted, what they stand for.
  struct Sequence {
    std::vector<int32_t> ids;
    NormalizedText text;
    std::vector<Token> tokens;  // one an id
    bool truncated = false;
  };
  // A piece of a normalized text that becomes tokens: a word for the model, or an added token.
  struct Word {
    Range range;
    const AddedToken* added = nullptr;
  };
  // What EncodeOptions comes to for one text or a pair.
  struct Limits {
    size_t words = 0;   // of one sequence, after which its other words need not be looked at
    size_t tokens = 0;  // of both sequences, special ones not counted
  };

  Pipeline(Parts parts, AddedVocabulary added);

  Result<Limits> limits(bool pair, const EncodeOptions& options) const;
  Result<Sequence> tokenize(std::string_view text, const Limits& limits,
                            const EncodeOptions& options) const;
  // tokenize() by the scanner alone; false, with anything in `ids`, where it can't tell.
  bool scan(std::string_view text, const Limits& limits, const EncodeOptions& options,
            std::vector<int32_t>& ids) const;
  void run_parts(std::string_view text, const Limits& limits, const EncodeOptions& options,
                 Sequence& sequence) const;
  NormalizedText normalize(std::string_view text, const EncodeOptions& options,
                           std::vector<Word>& words) const;
  void append_words(const NormalizedText& text, Range within, std::vector<Word>& words) const;
  // The same for a pre-tokenizer that rewrites: `piece` goes into `whole` in its new form.
  void append_rewritten(const NormalizedText& piece, bool begins_text, NormalizedText& whole,
                        std::vector<Word>& words) const;
  void append_tokens(const Word& word, std::string_view text, std::vector<Token>& tokens) const;
  void append_ids(const Word& word, std::string_view text, std::vector<int32_t>& ids) const;
  Encoding assemble(const Sequence& text, const Sequence* pair, const EncodeOptions& options) const;
  void append_sequence(const Sequence& from, const TemplatePiece& piece,
                       const EncodeOptions& options, Encoding& to) const;
  Offset offset_of(const Sequence& from, size_t index) const;
  Status check_id(int32_t id) const;

  Parts parts_;
  AddedVocabulary added_;
  std::unique_ptr<TextScanner> scanner_;  // null where the parts don't allow for one
};

}  // namespace wde::tokenizer
