// Any bytes as a safetensors file: a Status or a source whose every tensor lies inside the bytes.
#include "checkpoint/safetensors.h"

#include <span>

#include "source_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto source = wde::checkpoint::open_safetensors_bytes(bytes, "fuzzed");
  if (source.ok()) wde::fuzz::touch_tensors(**source, size);
  return 0;
}
