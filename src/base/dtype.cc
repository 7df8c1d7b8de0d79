#include "base/dtype.h"

#include <cstring>

#include "base/status.h"

namespace wde {
namespace {

struct DTypeName {
  std::string_view name;
  DType dtype;
};
// The first name of a dtype is the one we print.
constexpr DTypeName kNames[] = {
    {"f32", DType::kF32},     {"bf16", DType::kBF16},   {"f16", DType::kF16},
    {"i8", DType::kI8},       {"u8", DType::kU8},       {"i32", DType::kI32},
    {"i64", DType::kI64},     {"float32", DType::kF32}, {"bfloat16", DType::kBF16},
    {"float16", DType::kF16}, {"int8", DType::kI8},
};

template <class From, class To>
void convert(const void* source, void* destination, size_t count) {
  const auto* in = static_cast<const unsigned char*>(source);
  auto* out = static_cast<unsigned char*>(destination);
  for (size_t i = 0; i < count; ++i) {
    From value;  // memcpy: a mapped checkpoint need not be aligned
    std::memcpy(&value, in + i * sizeof(From), sizeof(From));
    const To converted = from_f32<To>(to_f32(value));
    std::memcpy(out + i * sizeof(To), &converted, sizeof(To));
  }
}

template <class From>
void convert_from(const void* source, void* destination, DType to, size_t count) {
  switch (to) {
    case DType::kF32:
      return convert<From, float>(source, destination, count);
    case DType::kBF16:
      return convert<From, bf16>(source, destination, count);
    case DType::kF16:
      return convert<From, f16>(source, destination, count);
    default:
      WDE_CHECK(!"convert_elements: not a floating-point dtype");
  }
}

}  // namespace

std::string_view dtype_name(DType dtype) {
  for (const DTypeName& entry : kNames) {
    if (entry.dtype == dtype) return entry.name;
  }
  return "?";
}

std::optional<DType> parse_dtype(std::string_view name) {
  for (const DTypeName& entry : kNames) {
    if (entry.name == name) return entry.dtype;
  }
  return std::nullopt;
}

float to_f32(f16 value) {
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000u) << 16;
  const uint32_t exponent = (value.bits >> 10) & 0x1fu;
  const uint32_t mantissa = value.bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;  // subnormal or zero
  return sign != 0 ? -magnitude : magnitude;
}

f16 to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
  if (magnitude >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};  // rounds to 2^16
  if (magnitude < 0x38800000u) {
    // Subnormal result: adding 0.5 puts the rounded 2^-24 multiples into the lowest bits.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return {static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u))};
  }
  const uint32_t rounded = magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u);
  return {static_cast<uint16_t>(sign | (rounded >> 13))};
}

void convert_elements(const void* source, DType from, void* destination, DType to, size_t count) {
  if (count == 0) return;  // the pointers may be null
  if (from == to) {
    std::memcpy(destination, source, count * dtype_size_bytes(from));
    return;
  }
  switch (from) {
    case DType::kF32:
      return convert_from<float>(source, destination, to, count);
    case DType::kBF16:
      return convert_from<bf16>(source, destination, to, count);
    case DType::kF16:
      return convert_from<f16>(source, destination, to, count);
    default:
      WDE_CHECK(!"convert_elements: not a floating-point dtype");
  }
}

}  // namespace wde
