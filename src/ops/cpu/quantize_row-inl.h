// Rows of f32 or bf16 to integers of few bits, each row by a scale of its own. A Highway "-inl"
// header, as vector_math-inl.h. Memory behind a row's integers is written up to a whole vector.

#if defined(WDE_OPS_CPU_QUANTIZE_ROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_OPS_CPU_QUANTIZE_ROW_INL_H_
#undef WDE_OPS_CPU_QUANTIZE_ROW_INL_H_
#else
#define WDE_OPS_CPU_QUANTIZE_ROW_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>

#include "hwy/highway.h"
#include "ops/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace wde::ops {
namespace HWY_NAMESPACE {

// A quantized value q of a row stands for scale * q + offset. NaN where the row is not finite.
struct RowScale {
  float scale = 1;
  float offset = 0;
};

// Rows that lie in a narrower range are taken for zeros: beyond, scales would leave f32's range.
constexpr float kLeastRange = 1e-30f;

// Uses the vectors of a row, the last one filled up with zeros, from element `begin` on.
template <class TX, class Use>
HWY_INLINE void EachVector(const TX* row, int64_t begin, int64_t k, const Use& use) {
  const hn::ScalableTag<float> d;
  constexpr int64_t kStep = HWY_LANES(float);
  int64_t i = begin;
  for (; i + kStep <= k; i += kStep) use(i, LoadF32(d, row + i));
  if (i < k) use(i, LoadF32N(d, row + i, static_cast<size_t>(k - i)));
}

struct RowRange {
  float least;     // at most zero
  float greatest;  // at least zero; NaN if the row is not finite
};

template <class TX>
HWY_INLINE RowRange FindRange(const TX* row, int64_t begin, int64_t k, RowRange range) {
  const hn::ScalableTag<float> d;
  auto least = hn::Set(d, range.least);
  auto greatest = hn::Set(d, range.greatest);
  auto finite = hn::Zero(d);  // NaN as soon as a value is infinite or NaN
  EachVector(row, begin, k, [&](int64_t, hn::Vec<hn::ScalableTag<float>> v) HWY_ATTR {
    least = hn::Min(least, v);
    greatest = hn::Max(greatest, v);
    finite = hn::MulAdd(v, hn::Zero(d), finite);
  });
  return {hn::GetLane(hn::MinOfLanes(d, least)), MaxLanes(d, greatest) + SumLanes(d, finite)};
}

// The largest magnitude becomes `most`.
template <class TX>
HWY_INLINE RowScale QuantizeSigned(const TX* row, int64_t k, int32_t most, int16_t* to) {
  using D = hn::ScalableTag<float>;
  const D d;
  const RowRange range = FindRange(row, 0, k, {0, 0});
  const float magnitude = std::max(-range.least, range.greatest);
  const auto top = static_cast<float>(most);
  const auto factor = hn::Set(d, magnitude > kLeastRange ? top / magnitude : 0.0f);
  EachVector(row, 0, k, [&](int64_t i, hn::Vec<D> v) HWY_ATTR {
    const hn::Rebind<int16_t, D> d16;
    hn::StoreU(hn::DemoteTo(d16, hn::NearestInt(hn::Mul(v, factor))), d16, to + i);
  });
  const float scale = magnitude / top;
  return {range.greatest == range.greatest ? scale : range.greatest, 0};
}

#if WDE_HWY_AVX512

// bf16 as integers of the same order, 32 at a time.
HWY_INLINE RowRange FindRange32(const bf16* row, int64_t k) {
  const auto turn = [](__m512i words) HWY_ATTR {  // is its own inverse
    constexpr int kXorOfAnd = 0x78;               // a ^ (b & c)
    return _mm512_ternarylogic_epi32(words, _mm512_srai_epi16(words, 15), _mm512_set1_epi16(0x7fff),
                                     kXorOfAnd);
  };
  __m512i least = _mm512_setzero_si512();
  __m512i greatest = _mm512_setzero_si512();
  for (int64_t i = 0; i < k; i += 32) {
    const __m512i key = turn(_mm512_loadu_si512(row + i));
    least = _mm512_min_epi16(least, key);
    greatest = _mm512_max_epi16(greatest, key);
  }
  // Keys of one sign to the floats they stand for.
  const auto widen = [&](__m512i keys, int half) HWY_ATTR {
    const __m512i bits = turn(keys);
    const __m256i words =
        half == 0 ? _mm512_castsi512_si256(bits) : _mm512_extracti64x4_epi64(bits, 1);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(words), 16));
  };
  const __m512 low = _mm512_min_ps(widen(least, 0), widen(least, 1));
  const __m512 high = _mm512_max_ps(widen(greatest, 0), widen(greatest, 1));
  // Infinity and NaN have the keys beyond all others.
  const __mmask32 beyond =
      _mm512_cmpge_epi16_mask(greatest, _mm512_set1_epi16(0x7f80)) |
      _mm512_cmple_epi16_mask(least, _mm512_set1_epi16(static_cast<int16_t>(0x807f)));
  if (beyond != 0) return {0, std::numeric_limits<float>::quiet_NaN()};
  return {_mm512_reduce_min_ps(low), _mm512_reduce_max_ps(high)};
}

template <class TX>
HWY_INLINE RowRange FindRangeOf(const TX* row, int64_t k) {
  if constexpr (std::is_same_v<TX, bf16>) {
    const int64_t whole = k / 32 * 32;
    return FindRange(row, whole, k, FindRange32(row, whole));
  } else {
    return FindRange(row, 0, k, {0, 0});
  }
}

// From the least value to the greatest (and zero) in 255 steps, which is worth a bit after an
// activation like GELU, with zero itself exact.
template <class TX>
HWY_INLINE RowScale QuantizeAffine(const TX* row, int64_t k, uint8_t* to) {
  using D = hn::ScalableTag<float>;
  const D d;
  const RowRange range = FindRangeOf(row, k);
  const float width = range.greatest - range.least;
  const auto factor = hn::Set(d, width > kLeastRange ? 255.0f / width : 0.0f);
  const auto zero = hn::Round(hn::Mul(hn::Set(d, -range.least), factor));
  const auto quantize = [&](hn::Vec<D> v)
                            HWY_ATTR { return hn::NearestInt(hn::MulAdd(v, factor, zero)).raw; };
  // Packing saturates, to 0 and to 255, and works within 128 bits: the last step sorts these.
  const __m512i sorted = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const auto pack = [&](__m512i a, __m512i b, __m512i c, __m512i e) HWY_ATTR {
    const __m512i bytes = _mm512_packus_epi16(_mm512_packus_epi32(a, b), _mm512_packus_epi32(c, e));
    return _mm512_permutexvar_epi32(sorted, bytes);
  };
  int64_t i = 0;
  for (; i + 64 <= k; i += 64) {
    const auto at = [&](int64_t v) HWY_ATTR { return quantize(LoadF32(d, row + i + v * 16)); };
    _mm512_storeu_si512(to + i, pack(at(0), at(1), at(2), at(3)));
  }
  EachVector(row, i, k, [&](int64_t at, hn::Vec<D> v) HWY_ATTR {
    const __m512i none = _mm512_setzero_si512();
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + at),
                     _mm512_castsi512_si128(pack(quantize(v), none, none, none)));
  });
  const float scale = width / 255.0f;
  return {scale, -scale * hn::GetLane(zero)};
}

#elif HWY_TARGET == HWY_NEON

// The same in signed bytes, the first step being -128.
template <class TX>
HWY_INLINE RowScale QuantizeAffine(const TX* row, int64_t k, int8_t* to) {
  using D = hn::ScalableTag<float>;
  const D d;
  constexpr int32_t kFirst = std::numeric_limits<int8_t>::min();
  const RowRange range = FindRange(row, 0, k, {0, 0});
  const float width = range.greatest - range.least;
  const auto factor = hn::Set(d, width > kLeastRange ? 255.0f / width : 0.0f);
  const auto zero = hn::Add(hn::Round(hn::Mul(hn::Set(d, -range.least), factor)),
                            hn::Set(d, static_cast<float>(kFirst)));
  EachVector(row, 0, k, [&](int64_t i, hn::Vec<D> v) HWY_ATTR {
    const hn::Rebind<int8_t, D> d8;
    hn::StoreU(hn::DemoteTo(d8, hn::NearestInt(hn::MulAdd(v, factor, zero))), d8, to + i);
  });
  const float scale = width / 255.0f;
  return {scale, -scale * hn::GetLane(zero)};
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
