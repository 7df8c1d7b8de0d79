// Weights that are codes of 4 or 8 bits, as the panels that a tile multiplies, in f32 or in pairs
// of bf16: code * scale + offset, a scale and an offset for each group of k and column. A Highway
// "-inl" header, as vector_math-inl.h.

#if defined(WDE_OPS_CPU_TILED_GEMM_CODES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_OPS_CPU_TILED_GEMM_CODES_INL_H_
#undef WDE_OPS_CPU_TILED_GEMM_CODES_INL_H_
#else
#define WDE_OPS_CPU_TILED_GEMM_CODES_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"
#include "ops/cpu/tiled_gemm_forms-inl.h"
#include "ops/cpu/tiled_gemm_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace wde::ops {
namespace HWY_NAMESPACE {
namespace forms {

// One value of k of a panel's codes as numbers.
template <int kBits>
HWY_INLINE void LoadCodes(const uint8_t* codes, V& low, V& high) {
  const D d;
  const D32 d32;
  const hn::Rebind<uint8_t, D32> d8;
  const auto first = hn::PromoteTo(d32, hn::LoadU(d8, codes));
  if constexpr (kBits == 4) {
    low = hn::ConvertTo(d, hn::And(first, hn::Set(d32, 15)));
    high = hn::ConvertTo(d, hn::ShiftRight<4>(first));
  } else {
    low = hn::ConvertTo(d, first);
    high = hn::ConvertTo(d, hn::PromoteTo(d32, hn::LoadU(d8, codes + kLanes)));
  }
}

// The codes of one panel as numbers, one value of k after the other.
template <int kBits>
class CodeReader {
 public:
  HWY_INLINE CodeReader(const TiledMatrix& matrix, int64_t panel, int64_t begin)
      : matrix_(matrix),
        codes_(static_cast<const uint8_t*>(matrix.panels) +
               (panel * matrix.k + begin) * kCodeBytes),
        first_(panel * matrix.groups * kColumns),
        k_(begin) {}

  // What Next() may be called for before another LoadGroup().
  HWY_INLINE int64_t LoadGroup() {
    const D d;
    const bool listed = matrix_.group_of != nullptr;
    const int64_t group = listed ? matrix_.group_of[k_] : k_ / matrix_.group_size;
    const float* scales = matrix_.code_scales + first_ + group * kColumns;
    low_scale_ = hn::LoadU(d, scales);
    high_scale_ = hn::LoadU(d, scales + kLanes);
    if (matrix_.code_offsets != nullptr) {
      const float* offsets = matrix_.code_offsets + first_ + group * kColumns;
      low_offset_ = hn::LoadU(d, offsets);
      high_offset_ = hn::LoadU(d, offsets + kLanes);
    } else {
      const V minus_zero = hn::Set(d, -matrix_.zero_code);
      low_offset_ = hn::Mul(low_scale_, minus_zero);
      high_offset_ = hn::Mul(high_scale_, minus_zero);
    }
    return listed ? 1 : (group + 1) * matrix_.group_size - k_;
  }
  HWY_INLINE void Next(V& low, V& high) {
    LoadCodes<kBits>(codes_, low, high);
    low = hn::MulAdd(low, low_scale_, low_offset_);
    high = hn::MulAdd(high, high_scale_, high_offset_);
    codes_ += kCodeBytes;
    ++k_;
  }

 private:
  static constexpr int64_t kColumns = 2 * kLanes;
  static constexpr int64_t kCodeBytes = kColumns * kBits / 8;

  const TiledMatrix& matrix_;
  const uint8_t* codes_;
  int64_t first_;
  int64_t k_;
  V low_scale_, high_scale_, low_offset_, high_offset_;
};

// The values [begin, begin + count) of k of one panel, as a panel of f32.
template <int kBits>
void DecodePanel(const TiledMatrix& matrix, int64_t panel, int64_t begin, int64_t count,
                 float* to) {
  const D d;
  CodeReader<kBits> reader(matrix, panel, begin);
  for (int64_t left = count; left > 0;) {
    const int64_t of_group = std::min(left, reader.LoadGroup());
    left -= of_group;
    for (int64_t i = 0; i < of_group; ++i, to += 2 * kLanes) {
      V low, high;
      reader.Next(low, high);
      hn::Store(low, d, to);
      hn::Store(high, d, to + kLanes);
    }
  }
}

#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON

// For each of kLanes columns, the values of two k, side by side.
HWY_INLINE void StorePairs(V first, V second, bf16* to) {
  const D d;
  hn::StoreInterleaved2(RoundToBf16(d, first), RoundToBf16(d, second), hn::Rebind<uint16_t, D>(),
                        reinterpret_cast<uint16_t*>(to));
}

// The same as a panel of pairs of bf16; of an odd count, the last one's second is zero.
template <int kBits>
void DecodePanel(const TiledMatrix& matrix, int64_t panel, int64_t begin, int64_t count, bf16* to) {
  CodeReader<kBits> reader(matrix, panel, begin);
  int64_t of_group = 0;  // that are left of the group
  for (int64_t left = count; left > 0; left -= 2) {
    V low[2] = {hn::Zero(D()), hn::Zero(D())}, high[2] = {hn::Zero(D()), hn::Zero(D())};
    for (int64_t i = 0; i < std::min<int64_t>(2, left); ++i) {
      if (of_group == 0) of_group = reader.LoadGroup();
      --of_group;
      reader.Next(low[i], high[i]);
    }
    StorePairs(low[0], low[1], to);
    StorePairs(high[0], high[1], to + 2 * kLanes);
    to += 4 * kLanes;
  }
}

#endif

}  // namespace forms
}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
