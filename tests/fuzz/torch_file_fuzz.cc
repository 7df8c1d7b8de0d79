// Any bytes as a file of torch.save: a Status or a source whose every tensor lies inside the bytes,
// or in a copy that is no larger.
#include "checkpoint/torch_file.h"

#include <span>

#include "source_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto source = wde::checkpoint::open_torch_bytes(bytes, "fuzzed");
  if (source.ok()) wde::fuzz::touch_tensors(**source, size);
  return 0;
}
