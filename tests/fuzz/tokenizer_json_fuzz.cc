// Any bytes as a tokenizer.json, and any bytes as the text, pair and ids that a small tokenizer
// with every kind of part gets: Statuses or results that keep the contract.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/utf8.h"
#include "tokenizer/tokenizer.h"

namespace {

using namespace wde;
using namespace wde::tokenizer;

constexpr std::string_view kSmall = R"({"version": "1.0",
  "added_tokens": [
    {"id": 1, "content": "[CLS]", "special": true, "normalized": false},
    {"id": 8, "content": "<x>", "lstrip": true, "rstrip": true, "normalized": false},
    {"id": 9, "content": "  ", "rstrip": true, "normalized": false},
    {"id": 10, "content": "Yes", "single_word": true, "normalized": true}],
  "normalizer": {"type": "Sequence", "normalizers": [
    {"type": "Strip"}, {"type": "BertNormalizer", "lowercase": true}, {"type": "NFKC"},
    {"type": "Replace", "pattern": {"String": "aa"}, "content": "b"}, {"type": "Prepend", "prepend": "c"}]},
  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
    {"type": "BertPreTokenizer"}, {"type": "Punctuation", "behavior": "MergedWithNext"}, {"type": "Whitespace"}]},
  "post_processor": {"type": "RobertaProcessing", "cls": ["[CLS]", 1], "sep": ["c", 5]},
  "decoder": {"type": "WordPiece"},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "max_input_chars_per_word": 100,
    "vocab": {"[UNK]": 0, "[CLS]": 1, "a": 2, "##b": 3, "##bc": 4, "c": 5, "##a": 6, "##c": 7}}})";

// One that encodes without offsets in a pass of its own.
constexpr std::string_view kBert = R"({"version": "1.0",
  "added_tokens": [
    {"id": 1, "content": "[CLS]", "special": true, "normalized": false},
    {"id": 8, "content": "<x>", "lstrip": true, "rstrip": true, "normalized": false},
    {"id": 9, "content": "<Y>", "single_word": true, "normalized": true}],
  "normalizer": {"type": "BertNormalizer", "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "max_input_chars_per_word": 300,
    "vocab": {"[UNK]": 0, "[CLS]": 1, "a": 2, "##b": 3, "##bc": 4, "c": 5, "##a": 6, "##c": 7}}})";

const Tokenizer& small_tokenizer() {
  static const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer_json(kSmall).value();
  return *tokenizer;
}

const Tokenizer& bert_tokenizer() {
  static const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer_json(kBert).value();
  return *tokenizer;
}

void check(const Tokenizer& tokenizer, std::string_view text, std::string_view pair,
           const EncodeOptions& options) {
  const auto encoding = tokenizer.encode(text, pair, options);
  if (!encoding.ok()) return;
  const size_t count = encoding->ids.size();
  WDE_CHECK(options.max_length == 0 || count <= static_cast<size_t>(options.max_length));
  WDE_CHECK(encoding->type_ids.size() == count && encoding->special_mask.size() == count);
  const size_t code_points[2] = {count_code_points(replace_invalid_utf8(text)),
                                 count_code_points(replace_invalid_utf8(pair))};
  for (size_t i = 0; i < encoding->offsets.size(); ++i) {
    const Offset offset = encoding->offsets[i];
    const int sequence = encoding->sequence[i];
    WDE_CHECK(offset.begin <= offset.end && (sequence < 0 || offset.end <= code_points[sequence]));
  }
  EncodeOptions ids_only = options;
  ids_only.offsets = false;
  const Encoding plain = tokenizer.encode(text, pair, ids_only).value();
  WDE_CHECK(plain.ids == encoding->ids && plain.truncated == encoding->truncated);
  WDE_CHECK(plain.type_ids == encoding->type_ids);
  WDE_CHECK(tokenizer.decode(encoding->ids, options.add_special_tokens).ok());
  (void)tokenizer.encode_ids(encoding->ids, options);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string_view text = bytes.substr(0, size / 2);
  const std::string_view pair = bytes.substr(size / 2);
  EncodeOptions options;
  options.offsets = true;
  check(small_tokenizer(), text, pair, options);
  options.max_length = size == 0 ? 4 : data[0] % 32;
  options.truncation_side = size % 2 == 0 ? Side::kLeft : Side::kRight;
  check(small_tokenizer(), text, pair, options);
  check(bert_tokenizer(), text, pair, options);
  options.max_length = 0;
  check(bert_tokenizer(), text, pair, options);
  options.max_length = size == 0 ? 4 : data[0] % 32;

  const auto hostile = load_tokenizer_json(bytes);
  if (!hostile.ok()) return 0;
  check(**hostile, bytes, "Ein Café, 北京 [CLS] \xff  a\xCC\x81\xCC\x96", options);
  const int32_t last = (*hostile)->vocab_size() - 1;
  (void)(*hostile)->decode(std::vector<int32_t>{0, last, -1}, true);
  return 0;
}
