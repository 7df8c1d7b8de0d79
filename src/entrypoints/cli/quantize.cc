#include "entrypoints/cli/quantize.h"

#include <algorithm>
#include <cmath>

namespace wde::cli {
namespace {

std::vector<int8_t> minus_128(const std::vector<uint8_t>& bytes) {
  std::vector<int8_t> shifted(bytes.size());
  std::transform(bytes.begin(), bytes.end(), shifted.begin(),
                 [](uint8_t byte) { return static_cast<int8_t>(static_cast<int>(byte) - 128); });
  return shifted;
}

}  // namespace

std::optional<OutputDType> parse_output_dtype(std::string_view name) {
  if (name == "float") return OutputDType::kFloat;
  if (name == "int8") return OutputDType::kInt8;
  if (name == "uint8") return OutputDType::kUint8;
  if (name == "binary") return OutputDType::kBinary;
  if (name == "ubinary") return OutputDType::kUbinary;
  return std::nullopt;
}

std::vector<uint8_t> quantize_ubinary(std::span<const float> row) {
  std::vector<uint8_t> packed((row.size() + 7) / 8, 0);
  for (size_t i = 0; i < row.size(); ++i) {
    if (row[i] > 0) packed[i / 8] |= static_cast<uint8_t>(0x80u >> (i % 8));
  }
  return packed;
}

std::vector<int8_t> quantize_binary(std::span<const float> row) {
  return minus_128(quantize_ubinary(row));
}

Result<Ranges> embedding_ranges(std::span<const float> values, int64_t columns) {
  const auto width = static_cast<size_t>(columns);
  if (width == 0 || values.size() < 2 * width) {
    return invalid_argument_error(
        "int8 and uint8 take each dimension's range from the embeddings themselves and need at "
        "least two "
        "inputs; use binary, ubinary or float for a single one");
  }
  Ranges ranges{{values.begin(), values.begin() + columns},
                {values.begin(), values.begin() + columns}};
  for (size_t i = width; i < values.size(); ++i) {
    ranges.low[i % width] = std::min(ranges.low[i % width], values[i]);
    ranges.high[i % width] = std::max(ranges.high[i % width], values[i]);
  }
  return ranges;
}

std::vector<uint8_t> quantize_uint8(std::span<const float> row, const Ranges& ranges) {
  std::vector<uint8_t> quantized(row.size());
  for (size_t i = 0; i < row.size(); ++i) {
    float step = (ranges.high[i] - ranges.low[i]) / 255.0f;
    if (step == 0) step = 1;
    const float bucket = std::floor((row[i] - ranges.low[i]) / step);
    // Written so that a NaN becomes 0 instead of an undefined conversion.
    quantized[i] = static_cast<uint8_t>(bucket > 0 ? std::min(bucket, 255.0f) : 0.0f);
  }
  return quantized;
}

std::vector<int8_t> quantize_int8(std::span<const float> row, const Ranges& ranges) {
  return minus_128(quantize_uint8(row, ranges));
}

}  // namespace wde::cli
