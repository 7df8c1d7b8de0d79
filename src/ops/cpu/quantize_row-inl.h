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
#include <cmath>
#include <limits>

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

// Uses the vectors of a row, the last one filled up with zeros.
template <class TX, class Use>
HWY_INLINE void EachVector(const TX* row, int64_t k, const Use& use) {
  const hn::ScalableTag<float> d;
  constexpr int64_t kStep = HWY_LANES(float);
  int64_t i = 0;
  for (; i + kStep <= k; i += kStep) use(i, LoadF32(d, row + i));
  if (i < k) use(i, LoadF32N(d, row + i, static_cast<size_t>(k - i)));
}

struct RowRange {
  float least = 0;     // at most zero
  float greatest = 0;  // at least zero; NaN if the row is not finite
};

template <class TX>
HWY_INLINE RowRange FindRange(const TX* row, int64_t k) {
  const hn::ScalableTag<float> d;
  auto least = hn::Zero(d);
  auto greatest = hn::Zero(d);
  auto finite = hn::Zero(d);  // NaN as soon as a value is infinite or NaN
  EachVector(row, k, [&](int64_t, hn::Vec<hn::ScalableTag<float>> v) HWY_ATTR {
    least = hn::Min(least, v);
    greatest = hn::Max(greatest, v);
    finite = hn::MulAdd(v, hn::Zero(d), finite);
  });
  return {hn::GetLane(hn::MinOfLanes(d, least)), MaxLanes(d, greatest) + SumLanes(d, finite)};
}

// The largest magnitude becomes `most`.
template <class TX>
HWY_INLINE RowScale QuantizeSigned(const TX* row, int64_t k, const RowRange& range, int32_t most,
                                   int16_t* to) {
  using D = hn::ScalableTag<float>;
  const D d;
  const float magnitude = std::max(-range.least, range.greatest);
  const auto top = static_cast<float>(most);
  const auto factor = hn::Set(d, magnitude > kLeastRange ? top / magnitude : 0.0f);
  EachVector(row, k, [&](int64_t i, hn::Vec<D> v) HWY_ATTR {
    const hn::Rebind<int16_t, D> d16;
    hn::StoreU(hn::DemoteTo(d16, hn::NearestInt(hn::Mul(v, factor))), d16, to + i);
  });
  const float scale = magnitude / top;
  return {range.greatest == range.greatest ? scale : range.greatest, 0};
}

// Where zero is in 255 steps from the least value to the greatest, and how many a unit has.
struct AffineSteps {
  explicit AffineSteps(const RowRange& range) : width(range.greatest - range.least) {
    if (width > kLeastRange) factor = 255.0f / width;
    zero = std::nearbyint(-range.least * factor);
  }
  // Of steps counted from `first` on.
  RowScale scale(float first) const { return {width / 255.0f, -(width / 255.0f) * (zero + first)}; }

  float width;
  float factor = 0;
  float zero;
};

#if WDE_HWY_AVX512

// The largest of eight words.
HWY_INLINE uint32_t MaxOfWords(__m128i words) {
  const __m128i all = _mm_set1_epi16(-1);
  const __m128i least = _mm_minpos_epu16(_mm_xor_si128(words, all));
  return 0xffffu & ~static_cast<uint32_t>(_mm_cvtsi128_si32(least));
}

// bf16 numbers as the integers of their bits, 32 at a time: the greatest signed one is the greatest
// number; the greatest unsigned one is the least number, if any is negative.
HWY_INLINE RowRange FindRange(const bf16* row, int64_t k) {
  __m512i as_unsigned = _mm512_setzero_si512();
  __m512i as_signed = _mm512_setzero_si512();
  const auto use = [&](__m512i words) HWY_ATTR {
    as_unsigned = _mm512_max_epu16(as_unsigned, words);
    as_signed = _mm512_max_epi16(as_signed, words);
  };
  int64_t i = 0;
  for (; i + 32 <= k; i += 32) use(_mm512_loadu_si512(row + i));
  if (i < k) use(_mm512_maskz_loadu_epi16(_bzhi_u32(~0u, static_cast<uint32_t>(k - i)), row + i));
  const __m256i u256 = _mm256_max_epu16(_mm512_castsi512_si256(as_unsigned),
                                        _mm512_extracti64x4_epi64(as_unsigned, 1));
  const __m256i s256 =
      _mm256_max_epi16(_mm512_castsi512_si256(as_signed), _mm512_extracti64x4_epi64(as_signed, 1));
  const uint32_t least =
      MaxOfWords(_mm_max_epu16(_mm256_castsi256_si128(u256), _mm256_extracti128_si256(u256, 1)));
  const uint32_t greatest =
      MaxOfWords(_mm_max_epi16(_mm256_castsi256_si128(s256), _mm256_extracti128_si256(s256, 1)));
  constexpr uint32_t kSign = 0x8000;
  constexpr uint32_t kInfinity = 0x7f80;
  if (greatest >= kInfinity || least >= (kSign | kInfinity))
    return {0, std::numeric_limits<float>::quiet_NaN()};
  return {least >= kSign ? std::bit_cast<float>(least << 16) : 0.0f,
          std::bit_cast<float>(greatest << 16)};
}

// 64 values of a row, of which the first `count` are read, as steps of one byte.
HWY_INLINE __m512i Quantize64(const bf16* from, int64_t count, const AffineSteps& steps) {
  // Adding 1.5 * 2^23 leaves the nearest integer in the lowest bits.
  const __m512 factor = _mm512_set1_ps(steps.factor);
  const __m512 zero = _mm512_set1_ps(steps.zero + 12582912.0f);
  const auto round = [&](__m512i bits) HWY_ATTR {
    return _mm512_castps_si512(_mm512_fmadd_ps(_mm512_castsi512_ps(bits), factor, zero));
  };
  const auto quantize32 = [&](int64_t at) HWY_ATTR {
    const auto left = static_cast<uint32_t>(std::clamp<int64_t>(count - at, 0, 32));
    const __m512i words = _mm512_maskz_loadu_epi16(_bzhi_u32(~0u, left), from + at);
    const __m512i even = round(_mm512_slli_epi32(words, 16));
    const __m512i odd = round(_mm512_and_si512(words, _mm512_set1_epi32(~0xffff)));
    return _mm512_mask_blend_epi16(0xaaaaaaaau, even, _mm512_slli_epi32(odd, 16));
  };
  // Packing saturates, to 0 and to 255, and works within 128 bits: the last step sorts these.
  const __m512i sorted = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  return _mm512_permutexvar_epi64(sorted, _mm512_packus_epi16(quantize32(0), quantize32(32)));
}

HWY_INLINE __m512i Quantize64(const float* from, int64_t count, const AffineSteps& steps) {
  const auto quantize16 = [&](int64_t at) HWY_ATTR {
    const auto left = static_cast<uint32_t>(std::clamp<int64_t>(count - at, 0, 16));
    const __m512 v = _mm512_maskz_loadu_ps(static_cast<__mmask16>(_bzhi_u32(~0u, left)), from + at);
    return _mm512_cvtps_epi32(
        _mm512_fmadd_ps(v, _mm512_set1_ps(steps.factor), _mm512_set1_ps(steps.zero)));
  };
  const __m512i sorted = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(
      sorted, _mm512_packus_epi16(_mm512_packus_epi32(quantize16(0), quantize16(16)),
                                  _mm512_packus_epi32(quantize16(32), quantize16(48))));
}

// From the least value to the greatest (and zero) in 255 steps, which is worth a bit after an
// activation like GELU, with zero itself exact.
template <class TX>
HWY_INLINE RowScale QuantizeAffine(const TX* row, int64_t k, const RowRange& range, uint8_t* to) {
  const AffineSteps steps(range);
  int64_t i = 0;
  for (; i + 64 <= k; i += 64) _mm512_storeu_si512(to + i, Quantize64(row + i, 64, steps));
  if (i < k) _mm512_storeu_si512(to + i, Quantize64(row + i, k - i, steps));
  return steps.scale(0);
}

#elif HWY_TARGET == HWY_NEON

// The same in signed bytes, the first step being -128.
template <class TX>
HWY_INLINE RowScale QuantizeAffine(const TX* row, int64_t k, const RowRange& range, int8_t* to) {
  using D = hn::ScalableTag<float>;
  const D d;
  constexpr float kFirst = std::numeric_limits<int8_t>::min();
  const AffineSteps steps(range);
  const auto factor = hn::Set(d, steps.factor);
  const auto zero = hn::Set(d, steps.zero + kFirst);
  EachVector(row, k, [&](int64_t i, hn::Vec<D> v) HWY_ATTR {
    const hn::Rebind<int8_t, D> d8;
    hn::StoreU(hn::DemoteTo(d8, hn::NearestInt(hn::MulAdd(v, factor, zero))), d8, to + i);
  });
  return steps.scale(kFirst);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
