// The copies that bring rows of Q, K, V and of positions into the form that the register tiles
// read: transposed, widened to f32, or interleaved by pairs. A Highway "-inl" header, as
// flash_tiles-inl.h.

#if defined(WDE_ATTENTION_CPU_FLASH_PACKING_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_ATTENTION_CPU_FLASH_PACKING_INL_H_
#undef WDE_ATTENTION_CPU_FLASH_PACKING_INL_H_
#else
#define WDE_ATTENTION_CPU_FLASH_PACKING_INL_H_
#endif

#include <algorithm>
#include <cstring>

#include "attention/cpu/flash_tiles-inl.h"
#include "base/dtype.h"
#include "hwy/highway.h"
#include "ops/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace wde::attention {
namespace HWY_NAMESPACE {

using ops::HWY_NAMESPACE::LoadF32;
using ops::HWY_NAMESPACE::LoadF32N;

#if HWY_TARGET != HWY_SCALAR
// One 128-bit block per four rows: block b holds groups [column, column + 4) of rows[4 b].
template <class Dot, class D, class T>
HWY_INLINE hn::Vec<D> LoadFours(D d, const T* const* rows, int column) {
  if constexpr (hn::MaxLanes(D()) <= 4) {
    if constexpr (Dot::kGroup == 1) return LoadF32(d, rows[0] + column);
    return hn::LoadU(d, reinterpret_cast<const float*>(rows[0] + column * Dot::kGroup));
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, LoadFours<Dot>(half, rows + hn::MaxLanes(half), column),
                       LoadFours<Dot>(half, rows, column));
  }
}

// As TransposeRows; returns how many columns it has done.
template <class Dot, class T>
HWY_INLINE int TransposeFours(const T* const* rows, int columns, float* to, ptrdiff_t stride) {
  const hn::RepartitionToWide<hn::RebindToUnsigned<FloatTag>> pairs;
  int i = 0;
  for (; i + 4 <= columns; i += 4) {
    const Vector a = LoadFours<Dot>(kFloats, rows + 0, i);
    const Vector b = LoadFours<Dot>(kFloats, rows + 1, i);
    const Vector c = LoadFours<Dot>(kFloats, rows + 2, i);
    const Vector d = LoadFours<Dot>(kFloats, rows + 3, i);
    const auto ab01 = hn::BitCast(pairs, hn::InterleaveLower(kFloats, a, b));
    const auto ab23 = hn::BitCast(pairs, hn::InterleaveUpper(kFloats, a, b));
    const auto cd01 = hn::BitCast(pairs, hn::InterleaveLower(kFloats, c, d));
    const auto cd23 = hn::BitCast(pairs, hn::InterleaveUpper(kFloats, c, d));
    float* column = to + i * stride;
    hn::Store(hn::BitCast(kFloats, hn::InterleaveLower(pairs, ab01, cd01)), kFloats, column);
    hn::Store(hn::BitCast(kFloats, hn::InterleaveUpper(pairs, ab01, cd01)), kFloats,
              column + stride);
    hn::Store(hn::BitCast(kFloats, hn::InterleaveLower(pairs, ab23, cd23)), kFloats,
              column + 2 * stride);
    hn::Store(hn::BitCast(kFloats, hn::InterleaveUpper(pairs, ab23, cd23)), kFloats,
              column + 3 * stride);
  }
  return i;
}
#endif  // HWY_TARGET != HWY_SCALAR

// Group i of rows[lane], of so many groups, to the place of group [i * stride + lane] of `to`, for
// one vector of rows. A group takes 32 bits and is moved as a float.
template <class Dot, class T>
HWY_INLINE void TransposeRows(const T* const* rows, int groups, float* to, ptrdiff_t stride) {
  int i = 0;
#if HWY_TARGET != HWY_SCALAR
  i = TransposeFours<Dot>(rows, groups, to, stride);
#endif
  for (; i < groups; ++i) {
    for (int lane = 0; lane < kLanes; ++lane) {
      if constexpr (Dot::kGroup == 1) {
        to[i * stride + lane] = to_f32(rows[lane][i]);
      } else {
        std::memcpy(to + i * stride + lane, rows[lane] + i * Dot::kGroup, sizeof(float));
      }
    }
  }
}

// Columns [begin, begin + vectors * kLanes) of `rows` rows as f32, zeros from `columns` on.
template <class T>
void WidenRows(const T* from, ptrdiff_t from_stride, int64_t rows, int64_t columns, int64_t begin,
               int64_t vectors, float* HWY_RESTRICT to) {
  const int64_t end = std::min(begin + vectors * kLanes, columns);
  for (int64_t row = 0; row < rows; ++row) {
    int64_t column = begin;
    for (; column + kLanes <= end; column += kLanes) {
      hn::Store(LoadF32(kFloats, from + column), kFloats, to);
      to += kLanes;
    }
    if (column < end) {
      hn::Store(LoadF32N(kFloats, from + column, static_cast<size_t>(end - column)), kFloats, to);
      to += kLanes;
    }
    from += from_stride;
  }
}

#if HWY_TARGET == HWY_AVX3_DL
// Columns as above of two rows at a time, interleaved: [rows / 2][vectors * kLanes] pairs, an odd
// last row beside zeros.
inline void InterleaveRows(const bf16* from, ptrdiff_t from_stride, int64_t rows, int64_t columns,
                           int64_t begin, int64_t vectors, bf16* HWY_RESTRICT to) {
  const int64_t end = std::min(begin + vectors * kLanes, columns);
  const auto load = [&](int64_t row, int64_t column) HWY_ATTR {
    if (row >= rows) return _mm512_setzero_si512();
    const int64_t count = std::min<int64_t>(end - column, kLanes);
    const auto mask = static_cast<__mmask16>((1u << count) - 1u);
    return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from + row * from_stride + column));
  };
  for (int64_t row = 0; row < rows; row += 2) {
    for (int64_t column = begin; column < end; column += kLanes, to += 2 * kLanes) {
      const __m512i second = _mm512_slli_epi32(load(row + 1, column), 16);
      _mm512_store_si512(to, _mm512_or_si512(load(row, column), second));
    }
  }
}
#endif

// Rows [begin, end) of `from` at the same places of `to`, as the operand whose elements are
// broadcast: widened and padded to whole vectors where elements are multiplied one by one, else as
// they are. Returns all rows of `to`.
template <class Dot, class T>
Rows<typename Dot::Element> CopyRows(const T* from, ptrdiff_t from_stride, const Range& rows,
                                     int64_t columns, typename Dot::Element* to) {
  from += rows.begin * from_stride;
  if constexpr (Dot::kGroup == 1) {
    const int64_t vectors = (columns + kLanes - 1) / kLanes;
    WidenRows(from, from_stride, rows.end - rows.begin, columns, 0, vectors,
              to + rows.begin * vectors * kLanes);
    return {to, vectors * kLanes};
  } else {
    for (int64_t row = rows.begin; row < rows.end; ++row, from += from_stride) {
      std::copy_n(from, columns, to + row * columns);
    }
    return {to, columns};
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace wde::attention
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
