// Element types and the conversions between fp32 and its 16-bit relatives.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace wde {

enum class DType : uint8_t { kF32, kBF16, kF16, kI8, kU8, kI32, kI64 };

constexpr size_t dtype_size_bytes(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kBF16:
    case DType::kF16:
      return 2;
    case DType::kI8:
    case DType::kU8:
      return 1;
    case DType::kI64:
      return 8;
  }
  return 0;
}

// "f32", "bf16", "f16", "i8", "u8", "i32", "i64": the spelling of --dtype and of logs.
std::string_view dtype_name(DType dtype);

// The inverse of dtype_name; also takes "float32", "bfloat16", "float16", "int8".
std::optional<DType> parse_dtype(std::string_view name);

// bfloat16: the upper half of an fp32. Storage only: arithmetic is done in fp32.
struct bf16 {
  uint16_t bits;
};

// IEEE 754 binary16. Storage only.
struct f16 {
  uint16_t bits;
};

inline float to_f32(float value) { return value; }
inline float to_f32(bf16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16);
}
float to_f32(f16 value);

// Round to nearest, ties to even; NaN stays a (quiet) NaN, overflow becomes infinity.
inline bf16 to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((bits >> 16) | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}
f16 to_f16(float value);

template <class T>
T from_f32(float value);
template <>
inline float from_f32<float>(float value) {
  return value;
}
template <>
inline bf16 from_f32<bf16>(float value) {
  return to_bf16(value);
}
template <>
inline f16 from_f32<f16>(float value) {
  return to_f16(value);
}

// count elements of `from` dtype (F32, BF16, F16) at source, to fp32 / `to` dtype at destination.
// The ranges must not overlap.
void convert_elements(const void* source, DType from, void* destination, DType to, size_t count);

}  // namespace wde
