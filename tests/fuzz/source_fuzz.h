// What every fuzz program over a WeightSource does with one that opened: each tensor lies in memory
// that may be read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "checkpoint/weight_source.h"

namespace wde::fuzz {

// `max_bytes`: more than a tensor can have.
inline void touch_tensors(const checkpoint::WeightSource& source, size_t max_bytes) {
  unsigned sum = 0;
  for (const std::string& name : source.names()) {
    const auto tensor = source.tensor(name);
    if (!tensor.ok()) continue;
    const auto* begin = tensor->as<const uint8_t>();
    const size_t tensor_bytes = tensor->span_bytes();
    WDE_CHECK(tensor_bytes <= max_bytes);
    // Touching the ends is enough for AddressSanitizer to see a view that leaves the bytes.
    if (tensor_bytes > 0) sum += begin[0] + begin[tensor_bytes - 1];
  }
  (void)source.tensor("no such tensor");
  volatile unsigned sink = sum;
  (void)sink;
}

}  // namespace wde::fuzz
