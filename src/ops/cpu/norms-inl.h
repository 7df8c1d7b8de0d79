// Layer norm and RMS norm of several rows at once. A Highway "-inl" header, as vector_math-inl.h.
// However many rows there are, a row has the bits that it has alone.

#if defined(WDE_OPS_CPU_NORMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WDE_OPS_CPU_NORMS_INL_H_
#undef WDE_OPS_CPU_NORMS_INL_H_
#else
#define WDE_OPS_CPU_NORMS_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "hwy/highway.h"
#include "ops/cpu/rows-inl.h"
#include "ops/ops.h"

HWY_BEFORE_NAMESPACE();
namespace wde::ops {
namespace HWY_NAMESPACE {
namespace rows {

// sums[r] = the sum over [0, columns) of value(r, begin, count), whose lanes from `count` on are
// zero. Of several rows at once, the latency of one hides behind the others.
template <int kRows, class Value>
HWY_INLINE void sum_columns(int64_t columns, const Value& value, float (&sums)[kRows]) {
  const D d;
  V even[kRows], odd[kRows];
  WDE_EACH(r, kRows) even[r] = odd[r] = hn::Zero(d);
  int64_t c = 0;
  for (; c + 2 * kLanes <= columns; c += 2 * kLanes) {
    WDE_EACH(r, kRows) {
      even[r] = hn::Add(even[r], value(r, c, kLanes));
      odd[r] = hn::Add(odd[r], value(r, c + kLanes, kLanes));
    }
  }
  for (; c < columns; c += kLanes) {
    const int64_t count = std::min(kLanes, columns - c);
    WDE_EACH(r, kRows) even[r] = hn::Add(even[r], value(r, c, count));
  }
  WDE_EACH(r, kRows) sums[r] = SumLanes(d, hn::Add(even[r], odd[r]));
}

// Rows [row, …) of x, plus those of the residual where there is one, from column `begin` on.
template <class T>
class SumOfRows {
 public:
  SumOfRows(const TensorView& x, const TensorView& residual, int64_t row, int64_t begin)
      : x_(row_of<T>(x, row) + begin),
        residual_(residual.data == nullptr ? nullptr : row_of<T>(residual, row) + begin),
        x_stride_(x.row_stride),
        residual_stride_(residual.row_stride) {}

  // `count` lanes of row `r`, counted from the first, from column `c` on.
  HWY_INLINE V operator()(int r, int64_t c, int64_t count) const {
    const V v = load(x_ + r * x_stride_ + c, count);
    if (residual_ == nullptr) return v;
    return hn::Add(v, load(residual_ + r * residual_stride_ + c, count));
  }

 private:
  const T* x_;
  const T* residual_;
  int64_t x_stride_, residual_stride_;
};

// Each has run<T, kRows>(args, row): rows [row, row + kRows) of elements T.
struct LayerNormRows {
  template <class T, int kRows>
  static void run(const LayerNormArgs& args, int64_t row) {
    const D d;
    const int64_t columns = args.x.shape[1];
    const SumOfRows<T> input(args.x, args.residual, row, 0);
    const auto n = static_cast<float>(columns);
    float sums[kRows];
    sum_columns(columns, input, sums);
    V means[kRows], scales[kRows];
    WDE_EACH(r, kRows) means[r] = hn::Set(d, sums[r] / n);
    const auto square = [&](int r, int64_t c, int64_t count) HWY_ATTR {
      const V centered = hn::Sub(input(r, c, count), means[r]);
      const V squared = hn::Mul(centered, centered);
      if (count == kLanes) return squared;
      return hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(count)), squared);
    };
    sum_columns(columns, square, sums);
    WDE_EACH(r, kRows) scales[r] = hn::Set(d, 1.0f / std::sqrt(sums[r] / n + args.epsilon));
    const float* weight = args.weight.as<const float>();
    const float* bias = args.bias.as<const float>();
    T* out = mutable_row_of<T>(args.out, row);
    const auto finish = [&](int64_t c, int64_t count) HWY_ATTR {
      const V factor = load(weight + c, count);
      const V shift = bias == nullptr ? hn::Zero(d) : load(bias + c, count);
      WDE_EACH(r, kRows) {
        const V normal = hn::Mul(hn::Sub(input(r, c, count), means[r]), scales[r]);
        store(hn::MulAdd(normal, factor, shift), out + r * args.out.row_stride + c, count);
      }
    };
    int64_t c = 0;
    for (; c + kLanes <= columns; c += kLanes) finish(c, kLanes);
    if (c < columns) finish(c, columns - c);
  }
};

struct RmsNormRows {
  template <class T, int kRows>
  static void run(const RmsNormArgs& args, int64_t row) {
    for (int64_t begin = 0; begin < args.x.shape[1]; begin += args.weight.shape[0]) {
      part<T, kRows>(args, row, begin);
    }
  }

 private:
  // Of the rows' columns [begin, begin + size of the weight).
  template <class T, int kRows>
  static void part(const RmsNormArgs& args, int64_t row, int64_t begin) {
    const D d;
    const int64_t columns = args.weight.shape[0];
    const SumOfRows<T> input(args.x, args.residual, row, begin);
    const bool adds_after = args.addend.data != nullptr;
    const T* addend = adds_after ? row_of<T>(args.addend, row) + begin : nullptr;
    float squares[kRows];
    const auto square = [&](int r, int64_t c, int64_t count) HWY_ATTR {
      const V v = input(r, c, count);
      return hn::Mul(v, v);
    };
    sum_columns(columns, square, squares);
    V scales[kRows];
    WDE_EACH(r, kRows) {
      const float mean = squares[r] / static_cast<float>(columns);
      scales[r] = hn::Set(d, 1.0f / std::sqrt(mean + args.epsilon));
    }
    const V offset = hn::Set(d, args.weight_offset);
    const float* weight = args.weight.as<const float>();
    T* out = mutable_row_of<T>(args.out, row) + begin;
    const auto finish = [&](int64_t c, int64_t count) HWY_ATTR {
      const V factor = hn::Add(offset, load(weight + c, count));
      WDE_EACH(r, kRows) {
        V normal = hn::Mul(hn::Mul(input(r, c, count), scales[r]), factor);
        if (adds_after)
          normal = hn::Add(normal, load(addend + r * args.addend.row_stride + c, count));
        store(normal, out + r * args.out.row_stride + c, count);
      }
    };
    int64_t c = 0;
    for (; c + kLanes <= columns; c += kLanes) finish(c, kLanes);
    if (c < columns) finish(c, columns - c);
  }
};

}  // namespace rows
}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#endif  // the toggling include guard
