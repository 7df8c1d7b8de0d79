// Any bytes as a sentencepiece model in a folder of any family, and as a charsmap: Statuses, or
// tokenizers that keep the contract.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "base/utf8.h"
#include "tokenizer/base64.h"
#include "tokenizer/tokenizer.h"

namespace {

using namespace wde;
using namespace wde::tokenizer;

constexpr const char* kModelTypes[] = {"xlm-roberta", "camembert", "t5",   "albert",
                                       "deberta-v2",  "llama",     "gemma"};

// One a process, of files that every input writes anew.
const std::string& folder() {
  static const std::string path = [] {
    char pattern[] = "/tmp/wde-sentencepiece-fuzz-XXXXXX";
    WDE_CHECK(mkdtemp(pattern) != nullptr);
    return std::string(pattern);
  }();
  return path;
}

void write(const char* name, std::string_view content) {
  std::ofstream(folder() + "/" + name, std::ios::binary) << content;
}

void check(const Tokenizer& tokenizer, std::string_view text) {
  EncodeOptions options;
  options.offsets = true;
  const auto encoding = tokenizer.encode(text, "a  b\xCC\x81 <s>\xE2\x96\x81", options);
  if (!encoding.ok()) return;
  const size_t code_points = count_code_points(replace_invalid_utf8(text));
  for (size_t i = 0; i < encoding->offsets.size(); ++i) {
    const Offset offset = encoding->offsets[i];
    WDE_CHECK(offset.begin <= offset.end);
    WDE_CHECK(encoding->sequence[i] != 0 || offset.end <= code_points);
  }
  options.offsets = false;
  const auto plain = tokenizer.encode(text, "a  b\xCC\x81 <s>\xE2\x96\x81", options);
  WDE_CHECK(plain->ids == encoding->ids);
  WDE_CHECK(tokenizer.decode(encoding->ids, false).ok());
}

constexpr std::string_view kBeforeCharsmap = R"({
  "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"},
  "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": true,
            "vocab": [["<unk>", 0], ["a", -1], ["b", -2.5], ["ab", -3], ["▁", -1], ["<0x41>", -5]]},
  "normalizer": {"type": "Precompiled", "precompiled_charsmap": ")";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto with_charsmap =
      load_tokenizer_json(std::string(kBeforeCharsmap) + encode_base64(bytes) + "\"}}");
  if (with_charsmap.ok()) check(**with_charsmap, bytes);

  const size_t family = size == 0 ? 0 : data[size - 1] % std::size(kModelTypes);
  write("config.json", std::string(R"({"model_type": ")") + kModelTypes[family] + "\"}");
  write("tokenizer.model", bytes);
  const auto with_model = load_tokenizer(folder());
  if (with_model.ok()) check(**with_model, bytes);
  return 0;
}
