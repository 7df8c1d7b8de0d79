// Any bytes as a safetensors file: a Status or a source whose every tensor lies inside the bytes.
#include <cstddef>
#include <cstdint>
#include <span>

#include "checkpoint/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto source = wde::checkpoint::open_safetensors_bytes(bytes, "fuzzed");
  if (!source.ok()) return 0;
  unsigned sum = 0;
  for (const std::string& name : (*source)->names()) {
    const auto tensor = (*source)->tensor(name);
    if (!tensor.ok()) continue;
    const auto* begin = tensor->as<const uint8_t>();
    const size_t tensor_bytes = tensor->span_bytes();
    WDE_CHECK(tensor_bytes <= size);
    // Touching the ends is enough for AddressSanitizer to see a view that leaves the bytes.
    if (tensor_bytes > 0) sum += begin[0] + begin[tensor_bytes - 1];
  }
  (void)(*source)->tensor("no such tensor");
  volatile unsigned sink = sum;
  (void)sink;
  return 0;
}
