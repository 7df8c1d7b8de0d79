// The element types of GGUF's tensors (github.com/ggml-org/ggml, src/ggml-common.h): plain ones,
// and blocks of codes of few bits with scales.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "tensor/computed_rows.h"

namespace wde::checkpoint {

struct GgmlType {
  uint32_t id = 0;  // in the file
  std::string_view name;
  int64_t block_elements = 0;  // 0: a type that is known by name only
  int64_t block_bytes = 0;
  std::optional<DType> dtype;  // of plain elements
};

// Null for an id that no type has here.
const GgmlType* find_ggml_type(uint32_t id);

// Whether a tensor of the type can be read.
bool is_readable(const GgmlType& type);

// The rows of a tensor of block type, at `data`, which must live as long and hold as many whole
// blocks as the shape has; rows are a multiple of the block.
std::unique_ptr<ComputedRows> make_ggml_rows(const GgmlType& type, const std::byte* data,
                                             const Shape& shape);

}  // namespace wde::checkpoint
