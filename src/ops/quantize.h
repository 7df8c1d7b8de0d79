// Symmetric 8-bit weights, one scale an output.
#pragma once

#include <cstdint>
#include <span>

namespace wde::ops {

// row[i] ≈ scale * to[i] with to[i] in [-127, 127]; returns the scale, which maps the row's largest
// magnitude to 127. `to` has the row's size. The row must be finite.
float quantize_weights(std::span<const float> row, int8_t* to);

}  // namespace wde::ops
