#include "checkpoint/ggml_blocks.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/status.h"

namespace wde::checkpoint {
namespace {

constexpr auto kTypes = std::to_array<GgmlType>({
    {0, "F32", 1, 4, DType::kF32},
    {1, "F16", 1, 2, DType::kF16},
    {30, "BF16", 1, 2, DType::kBF16},
    {2, "Q4_0", 32, 18, {}},
    {8, "Q8_0", 32, 34, {}},
    {12, "Q4_K", 256, 144, {}},
    {14, "Q6_K", 256, 210, {}},
    // Not read; their names are said.
    {3, "Q4_1", 0, 0, {}},
    {6, "Q5_0", 0, 0, {}},
    {7, "Q5_1", 0, 0, {}},
    {9, "Q8_1", 0, 0, {}},
    {10, "Q2_K", 0, 0, {}},
    {11, "Q3_K", 0, 0, {}},
    {13, "Q5_K", 0, 0, {}},
    {15, "Q8_K", 0, 0, {}},
    {16, "IQ2_XXS", 0, 0, {}},
    {17, "IQ2_XS", 0, 0, {}},
    {18, "IQ3_XXS", 0, 0, {}},
    {19, "IQ1_S", 0, 0, {}},
    {20, "IQ4_NL", 0, 0, {}},
    {21, "IQ3_S", 0, 0, {}},
    {22, "IQ2_S", 0, 0, {}},
    {23, "IQ4_XS", 0, 0, {}},
    {24, "I8", 0, 0, {}},
    {25, "I16", 0, 0, {}},
    {26, "I32", 0, 0, {}},
    {27, "I64", 0, 0, {}},
    {28, "F64", 0, 0, {}},
    {29, "IQ1_M", 0, 0, {}},
    {34, "TQ1_0", 0, 0, {}},
    {35, "TQ2_0", 0, 0, {}},
    {39, "MXFP4", 0, 0, {}},
});

float load_f16(const uint8_t* from) {
  f16 value;
  std::memcpy(&value, from, sizeof(value));
  return to_f32(value);
}

// Each reads one block: its codes, and a scale and, where there is no zero code, an offset for each
// of its groups.

// d, 16 bytes: element j in the lower half of byte j, element j + 16 in its upper half.
void read_q4_0(const uint8_t* block, uint8_t* codes, float* scales, float*) {
  scales[0] = load_f16(block);
  for (int j = 0; j < 16; ++j) {
    codes[j] = block[2 + j] & 15;
    codes[j + 16] = block[2 + j] >> 4;
  }
}

// d, 32 signed bytes.
void read_q8_0(const uint8_t* block, uint8_t* codes, float* scales, float*) {
  scales[0] = load_f16(block);
  for (int j = 0; j < 32; ++j) codes[j] = static_cast<uint8_t>(block[2 + j] ^ 0x80);  // + 128
}

// d, dmin, 6 bits of scale and of minimum for each of 8 groups in 12 bytes, 128 bytes of codes: of
// every 32 bytes, the lower halves are one group and the upper ones the next.
void read_q4_k(const uint8_t* block, uint8_t* codes, float* scales, float* offsets) {
  const float d = load_f16(block), minimum = load_f16(block + 2);
  const uint8_t* packed = block + 4;
  const uint8_t* nibbles = block + 16;
  for (int g = 0; g < 8; ++g) {
    int scale, least;
    if (g < 4) {
      scale = packed[g] & 63;
      least = packed[g + 4] & 63;
    } else {
      scale = (packed[g + 4] & 15) | (packed[g - 4] >> 6 << 4);
      least = (packed[g + 4] >> 4) | (packed[g] >> 6 << 4);
    }
    scales[g] = d * static_cast<float>(scale);
    offsets[g] = -(minimum * static_cast<float>(least));
    for (int j = 0; j < 32; ++j) {
      const uint8_t byte = nibbles[g / 2 * 32 + j];
      codes[g * 32 + j] = g % 2 == 0 ? byte & 15 : byte >> 4;
    }
  }
}

// 128 bytes of lower 4 bits, 64 bytes of upper 2 bits, 16 signed scales of 16 elements each, d.
void read_q6_k(const uint8_t* block, uint8_t* codes, float* scales, float*) {
  const float d = load_f16(block + 208);
  for (int g = 0; g < 16; ++g)
    scales[g] = d * static_cast<float>(static_cast<int8_t>(block[192 + g]));
  for (int half = 0; half < 2; ++half) {
    const uint8_t* low = block + half * 64;
    const uint8_t* high = block + 128 + half * 32;
    uint8_t* to = codes + half * 128;
    for (int j = 0; j < 32; ++j) {
      to[j] = static_cast<uint8_t>((low[j] & 15) | (high[j] & 3) << 4);
      to[j + 32] = static_cast<uint8_t>((low[j + 32] & 15) | (high[j] >> 2 & 3) << 4);
      to[j + 64] = static_cast<uint8_t>((low[j] >> 4) | (high[j] >> 4 & 3) << 4);
      to[j + 96] = static_cast<uint8_t>((low[j + 32] >> 4) | (high[j] >> 6) << 4);
    }
  }
}

struct BlockCodec {
  std::string_view name;
  int bits;
  int64_t group_size;
  std::optional<int> zero_code;
  void (*read)(const uint8_t* block, uint8_t* codes, float* scales, float* offsets);
};
constexpr BlockCodec kCodecs[] = {
    {"Q4_0", 4, 32, 8, read_q4_0},
    {"Q8_0", 8, 32, 128, read_q8_0},
    {"Q4_K", 4, 32, std::nullopt, read_q4_k},
    {"Q6_K", 8, 16, 32, read_q6_k},
};

const BlockCodec* find_codec(const GgmlType& type) {
  const auto* found =
      std::find_if(std::begin(kCodecs), std::end(kCodecs),
                   [&](const BlockCodec& codec) { return codec.name == type.name; });
  return found == std::end(kCodecs) ? nullptr : found;
}

class BlockRows final : public CodedRows {
 public:
  BlockRows(const GgmlType& type, const BlockCodec& codec, const std::byte* data,
            const Shape& shape)
      : CodedRows(shape, {.bits = codec.bits,
                          .groups = row_elements_of(shape) / codec.group_size,
                          .group_size = codec.group_size,
                          .zero_code = codec.zero_code,
                          .group_of = {}}),
        type_(type),
        codec_(codec),
        data_(reinterpret_cast<const uint8_t*>(data)) {}

  void read_codes(int64_t row, uint8_t* codes, float* scales, float* offsets) const override {
    const int64_t blocks = row_elements() / type_.block_elements;
    const int64_t groups = type_.block_elements / codec_.group_size;
    const uint8_t* block = data_ + row * blocks * type_.block_bytes;
    for (int64_t b = 0; b < blocks; ++b, block += type_.block_bytes) {
      codec_.read(block, codes + b * type_.block_elements, scales + b * groups,
                  offsets == nullptr ? nullptr : offsets + b * groups);
    }
  }

 private:
  static int64_t row_elements_of(const Shape& shape) {
    return TensorView::contiguous(nullptr, DType::kF32, shape).row_elements();
  }

  const GgmlType& type_;
  const BlockCodec& codec_;
  const uint8_t* data_;
};

}  // namespace

const GgmlType* find_ggml_type(uint32_t id) {
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(),
                                   [&](const GgmlType& type) { return type.id == id; });
  return found == kTypes.end() ? nullptr : found;
}

bool is_readable(const GgmlType& type) {
  return type.dtype.has_value() || find_codec(type) != nullptr;
}

std::unique_ptr<ComputedRows> make_ggml_rows(const GgmlType& type, const std::byte* data,
                                             const Shape& shape) {
  const BlockCodec* codec = find_codec(type);
  WDE_CHECK(codec != nullptr);
  return std::make_unique<BlockRows>(type, *codec, data, shape);
}

}  // namespace wde::checkpoint
