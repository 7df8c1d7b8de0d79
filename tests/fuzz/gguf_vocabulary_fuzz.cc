// Any JSON object as a GGUF file's vocabulary: a Status or a tokenizer that tokenizes.
#include <string_view>

#include "base/json.h"
#include "tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parsed = wde::json::parse({reinterpret_cast<const char*>(data), size});
  if (!parsed.ok() || !parsed->is_object()) return 0;
  const auto tokenizer = wde::tokenizer::load_gguf_tokenizer(parsed->as_object());
  if (tokenizer.ok()) (void)(*tokenizer)->encode("The ferry, 12 é", std::nullopt, {});
  return 0;
}
