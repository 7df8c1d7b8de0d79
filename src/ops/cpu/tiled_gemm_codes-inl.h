// Weights that are codes of 4 or 8 bits, as the f32 panels that a tile multiplies: code * scale +
// offset, a scale and an offset for each group of k and column. A Highway "-inl" header, as
// vector_math-inl.h.

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

// The values [begin, begin + count) of k of one panel, as a panel of f32.
template <int kBits>
void DecodePanel(const TiledMatrix& matrix, int64_t panel, int64_t begin, int64_t count,
                 float* to) {
  const D d;
  constexpr int64_t kPanelColumns = 2 * kLanes;
  constexpr int64_t kCodeBytes = kPanelColumns * kBits / 8;
  const uint8_t* codes =
      static_cast<const uint8_t*>(matrix.panels) + (panel * matrix.k + begin) * kCodeBytes;
  const int64_t first = panel * matrix.groups * kPanelColumns;
  const V minus_zero = hn::Set(d, -matrix.zero_code);
  const int64_t end = begin + count;
  for (int64_t k = begin; k < end;) {
    const int64_t group = matrix.group_of != nullptr ? matrix.group_of[k] : k / matrix.group_size;
    const int64_t group_end =
        matrix.group_of != nullptr ? k + 1 : std::min(end, (group + 1) * matrix.group_size);
    const float* scales = matrix.code_scales + first + group * kPanelColumns;
    const V low_scale = hn::LoadU(d, scales), high_scale = hn::LoadU(d, scales + kLanes);
    V low_offset = hn::Mul(low_scale, minus_zero), high_offset = hn::Mul(high_scale, minus_zero);
    if (matrix.code_offsets != nullptr) {
      const float* offsets = matrix.code_offsets + first + group * kPanelColumns;
      low_offset = hn::LoadU(d, offsets);
      high_offset = hn::LoadU(d, offsets + kLanes);
    }
    for (; k < group_end; ++k, codes += kCodeBytes, to += kPanelColumns) {
      V low, high;
      LoadCodes<kBits>(codes, low, high);
      hn::Store(hn::MulAdd(low, low_scale, low_offset), d, to);
      hn::Store(hn::MulAdd(high, high_scale, high_offset), d, to + kLanes);
    }
  }
}

}  // namespace forms
}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
