// Text to token ids and back, exactly as the Hugging Face `tokenizers` package does it: a pipeline
// of normalizer, added-token splitter, pre-tokenizer, model, post-processor and decoder, each one
// of several interchangeable parts chosen from tokenizer.json. Immutable after load; every method
// may be called from any thread at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace wde::tokenizer {

// Half-open range of code points of the text it came from; {0, 0} for tokens that no text stands
// behind.
struct Offset {
  uint32_t begin = 0;
  uint32_t end = 0;
  bool operator==(const Offset&) const = default;
};

// Parallel arrays, one element a token.
struct Encoding {
  std::vector<int32_t> ids;
  std::vector<int32_t> type_ids;      // the sequence's type in the post-processor's template
  std::vector<uint8_t> special_mask;  // 1 for tokens that the post-processor put there
  std::vector<Offset> offsets;        // empty unless EncodeOptions::offsets
  std::vector<int8_t> sequence;  // 0: text, 1: pair, -1: added by the post-processor; as offsets
  bool truncated = false;
};

enum class Side { kLeft, kRight };

struct EncodeOptions {
  bool add_special_tokens = true;
  bool offsets = false;
  // Most tokens of the result, special ones included; 0 for no limit. Pairs are cut "longest
  // first", as transformers' truncation=True does. The side is where tokens are dropped.
  int max_length = 0;
  Side truncation_side = Side::kRight;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // `text` (and `pair`) may hold any bytes: ill-formed UTF-8 is read as U+FFFD, so offsets count
  // those. Errors: kInvalidArgument when max_length leaves no room for the special tokens.
  virtual Result<Encoding> encode(std::string_view text, std::optional<std::string_view> pair,
                                  const EncodeOptions& options) const = 0;
  // Truncates and adds special tokens around ids that a client tokenized. Errors: kInvalidArgument
  // for an id outside the vocabulary.
  virtual Result<Encoding> encode_ids(std::span<const int32_t> ids,
                                      const EncodeOptions& options) const = 0;
  // Errors: kInvalidArgument for an id outside the vocabulary.
  virtual Result<std::string> decode(std::span<const int32_t> ids,
                                     bool skip_special_tokens) const = 0;

  // Entries of the vocabulary, added tokens included: ids are below the largest id + 1.
  virtual int vocab_size() const = 0;
  virtual std::optional<int32_t> token_to_id(std::string_view token) const = 0;
  // Empty for an id that no token has. Points into the tokenizer.
  virtual std::string_view id_to_token(int32_t id) const = 0;
  // What stands before tokens that go on with a word ("##"); empty where the model has no such
  // mark.
  virtual std::string_view continuing_subword_prefix() const { return {}; }
  // Special tokens that encode() adds around one text / a pair.
  virtual int special_tokens_added(bool pair) const = 0;
};

// Loads from a Hugging Face folder: tokenizer.json, else vocab.txt, else a sentencepiece model,
// else vocab.json with merges.txt (+ tokenizer_config.json, special_tokens_map.json,
// added_tokens.json, config.json). Errors: kNotFound (no tokenizer file: the message lists what was
// looked for), kDataLoss (a broken file), kUnsupported (a part that no module here implements:
// named, with the known ones).
Result<std::unique_ptr<Tokenizer>> load_tokenizer(const std::string& folder);

// Of a GGUF file's vocabulary (tokenizer/gguf_vocabulary.h). Errors: kDataLoss, kUnsupported.
Result<std::unique_ptr<Tokenizer>> load_gguf_tokenizer(const json::object& vocabulary);

// The same from the text of a tokenizer.json, which may be hostile. Errors: kDataLoss,
// kUnsupported.
Result<std::unique_ptr<Tokenizer>> load_tokenizer_json(std::string_view text);

}  // namespace wde::tokenizer
