// Embeddings in fewer bits, by the rules of sentence-transformers' quantize_embeddings
// (sentence_transformers/util/quantization.py). Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace wde::cli {

enum class OutputDType { kFloat, kInt8, kUint8, kBinary, kUbinary };

// "float", "int8", "uint8", "binary", "ubinary".
std::optional<OutputDType> parse_output_dtype(std::string_view name);

// The dimensions' signs, most significant bit first, zeros behind the last: ceil(columns / 8)
// bytes. A "binary" byte is the "ubinary" byte - 128, as int8.
std::vector<uint8_t> quantize_ubinary(std::span<const float> row);
std::vector<int8_t> quantize_binary(std::span<const float> row);

// The least and greatest value of each dimension over a set of embeddings.
struct Ranges {
  std::vector<float> low;
  std::vector<float> high;
};

// `values` are rows of `columns`, at least two (a single one has no range). Errors:
// kInvalidArgument.
Result<Ranges> embedding_ranges(std::span<const float> values, int64_t columns);

// floor((value - low) / step) within 0 … 255, step being the 255th part of the range; int8 is that
// - 128.
std::vector<uint8_t> quantize_uint8(std::span<const float> row, const Ranges& ranges);
std::vector<int8_t> quantize_int8(std::span<const float> row, const Ranges& ranges);

}  // namespace wde::cli
