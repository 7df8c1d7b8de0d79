#include "ops/quantize.h"

#include <algorithm>
#include <cmath>

namespace wde::ops {

float quantize_weights(std::span<const float> row, int8_t* to) {
  float largest = 0;
  for (const float value : row) largest = std::max(largest, std::abs(value));
  const float factor = largest > 0 ? 127.0f / largest : 0.0f;
  for (const float value : row) *to++ = static_cast<int8_t>(std::lrintf(value * factor));
  return largest / 127.0f;
}

}  // namespace wde::ops
