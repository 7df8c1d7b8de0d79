// Any bytes as a tokenizer.json, and any bytes as the text, pair and ids that a small tokenizer
// with every kind of part gets: Statuses or results that keep the contract.
#include <cstddef>
#include <cstdint>
#include <map>
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

// Words of bytes, which without offsets are never spelt.
constexpr std::string_view kBytes = R"({"version": "1.0",
  "added_tokens": [
    {"id": 20, "content": "<x>", "lstrip": true, "special": true, "normalized": true},
    {"id": 21, "content": "  ", "normalized": true}],
  "normalizer": {"type": "NFC"},
  "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
    {"type": "Split", "pattern": {"Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
     "behavior": "Isolated", "invert": false},
    {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
  "post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel", "trim_offsets": true}]},
  "decoder": {"type": "ByteLevel"},
  "model": {"type": "BPE", "unk_token": "a", "ignore_merges": true, "merges": ["a b", "Ġ ab", "Ã ©", ["ab", "ab"]],
    "vocab": {"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4, "Ã": 5, "©": 6, "Ã©": 7, "abab": 8, "1": 9, "ĊĊ": 10}}})";

// A text that falls apart at its marks; unknown characters as bytes, or fused.
constexpr std::string_view kFallback = R"({"version": "1.0",
  "added_tokens": [{"id": 0, "content": "<unk>", "special": true, "normalized": false}],
  "normalizer": {"type": "Sequence", "normalizers": [
    {"type": "Replace", "pattern": {"Regex": "[\\s_]+|x$"}, "content": " "},
    {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
  "decoder": {"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
  "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
    "merges": ["▁ a", "b c", "▁ ▁", "▁a bc"],
    "vocab": {"<unk>": 0, "▁": 1, "a": 2, "b": 3, "c": 4, "▁a": 5, "bc": 6, "▁▁": 7, "▁abc": 8, "<0xC3>": 9,
              "<0xA9>": 10, "<0x64>": 11}}})";

const Tokenizer& tokenizer_of(std::string_view json) {
  static std::map<std::string_view, std::unique_ptr<Tokenizer>> loaded;
  std::unique_ptr<Tokenizer>& tokenizer = loaded[json];
  if (tokenizer == nullptr) tokenizer = load_tokenizer_json(json).value();
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
  for (const std::string_view json : {kSmall, kBert, kBytes, kFallback})
    check(tokenizer_of(json), text, pair, options);
  options.max_length = size == 0 ? 4 : data[0] % 32;
  options.truncation_side = size % 2 == 0 ? Side::kLeft : Side::kRight;
  for (const std::string_view json : {kSmall, kBert, kBytes, kFallback})
    check(tokenizer_of(json), text, pair, options);

  const auto hostile = load_tokenizer_json(bytes);
  if (!hostile.ok()) return 0;
  check(**hostile, bytes, "Ein Café, 北京 [CLS] \xff  a\xCC\x81\xCC\x96", options);
  const int32_t last = (*hostile)->vocab_size() - 1;
  (void)(*hostile)->decode(std::vector<int32_t>{0, last, -1}, true);
  return 0;
}
