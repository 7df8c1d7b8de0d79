// The memory-bound ops, compiled once per instruction set. Every row (or sequence) is computed by
// one thread in an order that only its own length decides.
#include <algorithm>
#include <cmath>

#include "base/dtype.h"
#include "ops/cpu/highway_targets.h"
#include "ops/cpu/op_tables.h"
#include "ops/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/op_kernels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/activation-inl.h"
#include "ops/cpu/norms-inl.h"
#include "ops/cpu/rows-inl.h"
#include "ops/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace wde::ops {
namespace HWY_NAMESPACE {
namespace {

using rows::D;
using rows::kLanes;
using rows::load;
using rows::mutable_row_of;
using rows::row_of;
using rows::store;
using rows::V;
// Rows that one thread takes at a time: enough to be worth waking it.
constexpr int64_t kBlockRows = 32;

// kBf16 or kF32, by x's dtype, of every row of x.
template <auto kBf16, auto kF32, class Args>
void for_each_row(OpContext& context, const Args& args) {
  parallel_rows(context.pool, args.x.rows(), kBlockRows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      if (args.x.dtype == DType::kBF16)
        kBf16(args, row);
      else
        kF32(args, row);
    }
  });
}

// Kernel::run<T, kRows>(args, row) for every row of x, of elements T: several rows at once, while
// there are as many.
template <class Kernel, class Args>
void for_rows_together(OpContext& context, const Args& args) {
  constexpr int kTogether = 4;
  const auto run = [&]<class T>(int64_t begin, int64_t end) {
    int64_t row = begin;
    for (; row + kTogether <= end; row += kTogether) Kernel::template run<T, kTogether>(args, row);
    for (; row < end; ++row) Kernel::template run<T, 1>(args, row);
  };
  parallel_rows(context.pool, args.x.rows(), kBlockRows, [&](int64_t begin, int64_t end) {
    if (args.x.dtype == DType::kBF16)
      run.template operator()<bf16>(begin, end);
    else
      run.template operator()<float>(begin, end);
  });
}

// ------------------------------------------------------------------ norms

void layer_norm(OpContext& context, const LayerNormArgs& args) {
  for_rows_together<rows::LayerNormRows>(context, args);
}

void rms_norm(OpContext& context, const RmsNormArgs& args) {
  for_rows_together<rows::RmsNormRows>(context, args);
}

// ------------------------------------------------------------------ rope

// Angles outside, heads inside: a vector of cosines and sines serves every head.
template <class T>
void rotate_halves(const RopeArgs& args, int64_t t) {
  const int64_t half = args.table.shape[1] / 2;
  const float* cosines = row_of<float>(args.table, args.positions.as<const int32_t>()[t]);
  T* row = mutable_row_of<T>(args.x, t);
  for (int64_t i = 0; i < half; i += kLanes) {
    const int64_t count = std::min(kLanes, half - i);
    const V cosine = load(cosines + i, count);
    const V sine = load(cosines + half + i, count);
    for (int64_t head = i; head < args.x.shape[1]; head += args.head_size) {
      const V a = load(row + head, count);
      const V b = load(row + head + half, count);
      store(hn::NegMulAdd(b, sine, hn::Mul(a, cosine)), row + head, count);
      store(hn::MulAdd(a, sine, hn::Mul(b, cosine)), row + head + half, count);
    }
  }
}

// Plain: the shuffles would cost more lines than the few models with such pairs are worth.
template <class T>
void rotate_interleaved(const RopeArgs& args, int64_t t) {
  const int64_t half = args.table.shape[1] / 2;
  const float* cosines = row_of<float>(args.table, args.positions.as<const int32_t>()[t]);
  const float* sines = cosines + half;
  for (int64_t head = 0; head < args.x.shape[1]; head += args.head_size) {
    T* pairs = mutable_row_of<T>(args.x, t) + head;
    for (int64_t i = 0; i < half; ++i) {
      const float a = to_f32(pairs[2 * i]);
      const float b = to_f32(pairs[2 * i + 1]);
      pairs[2 * i] = from_f32<T>(a * cosines[i] - b * sines[i]);
      pairs[2 * i + 1] = from_f32<T>(b * cosines[i] + a * sines[i]);
    }
  }
}

template <class T>
void rotate_row(const RopeArgs& args, int64_t t) {
  if (args.pairs == RopePairs::kHalves) return rotate_halves<T>(args, t);
  rotate_interleaved<T>(args, t);
}

void rope(OpContext& context, const RopeArgs& args) {
  for_each_row<rotate_row<bf16>, rotate_row<float>>(context, args);
}

// ------------------------------------------------------------------ gated_activation

template <class T>
void gated_activation_row(const GatedActivationArgs& args, int64_t row) {
  constexpr int kVectors = 4;
  const int64_t columns = args.out.shape[1];
  const bool gate_first = args.order == GateOrder::kGateFirst;
  const T* x = row_of<T>(args.x, row);
  const T* gate = gate_first ? x : x + columns;
  const T* up = gate_first ? x + columns : x;
  T* out = mutable_row_of<T>(args.out, row);
  int64_t c = 0;
  for (; c + kVectors * kLanes <= columns; c += kVectors * kLanes) {
    V v[kVectors];
    WDE_EACH(i, kVectors) v[i] = load(gate + c + i * kLanes, kLanes);
    ActivateAs<T>(args.activation, v);
    WDE_EACH(i, kVectors) {
      const V product = hn::Mul(v[i], load(up + c + i * kLanes, kLanes));
      store(product, out + c + i * kLanes, kLanes);
    }
  }
  for (; c < columns; c += kLanes) {
    const int64_t count = std::min(kLanes, columns - c);
    V v[1] = {load(gate + c, count)};
    ActivateAs<T>(args.activation, v);
    store(hn::Mul(v[0], load(up + c, count)), out + c, count);
  }
}

void gated_activation(OpContext& context, const GatedActivationArgs& args) {
  for_each_row<gated_activation_row<bf16>, gated_activation_row<float>>(context, args);
}

// ------------------------------------------------------------------ embedding_sum

// out (+)= one row of a table, in f32 or bf16.
HWY_INLINE V load_row(const TensorView& table, int64_t row, int64_t c, int64_t count) {
  return table.dtype == DType::kBF16 ? load(row_of<bf16>(table, row) + c, count)
                                     : load(row_of<float>(table, row) + c, count);
}

void embedding_row(const EmbeddingSumArgs& args, int64_t t) {
  const int64_t columns = args.out.shape[1];
  const int32_t id = args.ids.as<const int32_t>()[t];
  const bool has_position = args.position_table.data != nullptr;
  const bool has_type = args.type_table.data != nullptr;
  const int32_t position = has_position ? args.positions.as<const int32_t>()[t] : 0;
  const int32_t type = has_type ? args.type_ids.as<const int32_t>()[t] : 0;
  const V scale = hn::Set(D(), args.word_scale);
  for (int64_t c = 0; c < columns; c += kLanes) {
    const int64_t count = std::min(kLanes, columns - c);
    V sum = hn::Mul(load_row(args.word_table, id, c, count), scale);
    if (has_position) sum = hn::Add(sum, load_row(args.position_table, position, c, count));
    if (has_type) sum = hn::Add(sum, load_row(args.type_table, type, c, count));
    if (args.out.dtype == DType::kBF16)
      store(sum, mutable_row_of<bf16>(args.out, t) + c, count);
    else
      store(sum, mutable_row_of<float>(args.out, t) + c, count);
  }
}

void embedding_sum(OpContext& context, const EmbeddingSumArgs& args) {
  parallel_rows(context.pool, args.out.rows(), kBlockRows, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) embedding_row(args, t);
  });
}

// ------------------------------------------------------------------ pooling

struct PooledTokens {
  int64_t start;  // of the sequence
  int64_t begin;
  int64_t end;
};

int64_t marked_token(const PoolingArgs& args, const PooledTokens& tokens) {
  const int32_t* ids = args.ids.as<const int32_t>();
  if (args.pooling == Pooling::kLastUnmarked) {
    int64_t last = tokens.end - 1;
    while (last > tokens.begin && ids[last] == args.marker) --last;
    return last;
  }
  int64_t marked = tokens.begin;
  for (int64_t t = tokens.begin; t < tokens.end; ++t) {
    if (args.marker != kLargestId && ids[t] == args.marker) return t;
    if (args.marker == kLargestId && ids[t] > ids[marked]) marked = t;
  }
  return marked;
}

template <class T>
V pool_columns(const PoolingArgs& args, const PooledTokens& tokens, int64_t c, int64_t count) {
  const D d;
  const auto token = [&](int64_t t) HWY_ATTR { return load(row_of<T>(args.hidden, t) + c, count); };
  if (args.pooling == Pooling::kCls) return token(tokens.begin);
  if (args.pooling == Pooling::kLast) return token(tokens.end - 1);
  V pooled = token(tokens.begin);
  if (args.pooling == Pooling::kMax) {
    for (int64_t t = tokens.begin + 1; t < tokens.end; ++t) {
      const V v = token(t);
      // Also where v is NaN, so that one does not hide.
      pooled = hn::IfThenElse(hn::Le(v, pooled), pooled, v);
    }
    return pooled;
  }
  if (args.pooling == Pooling::kWeightedMean) {
    float weight = static_cast<float>(tokens.begin - tokens.start + 1);
    pooled = hn::Mul(pooled, hn::Set(d, weight));
    for (int64_t t = tokens.begin + 1; t < tokens.end; ++t) {
      weight += 1.0f;
      pooled = hn::MulAdd(token(t), hn::Set(d, weight), pooled);
    }
    return pooled;
  }
  for (int64_t t = tokens.begin + 1; t < tokens.end; ++t) pooled = hn::Add(pooled, token(t));
  return pooled;
}

// What the sum over the tokens is divided by.
double divisor(Pooling pooling, const PooledTokens& tokens) {
  const auto count = static_cast<double>(tokens.end - tokens.begin);
  const auto first = static_cast<double>(tokens.begin - tokens.start + 1);
  const auto last = static_cast<double>(tokens.end - tokens.start);
  switch (pooling) {
    case Pooling::kMean:
      return count;
    case Pooling::kMeanSqrtLen:
      return std::sqrt(count);
    case Pooling::kWeightedMean:
      return (first + last) * count / 2.0;
    default:
      return 1.0;
  }
}

void pool_sequence(const PoolingArgs& args, int64_t b) {
  const D d;
  const int32_t* cu_seqlens = args.cu_seqlens.as<const int32_t>();
  const int32_t skip = args.skip.data == nullptr ? 0 : args.skip.as<const int32_t>()[b];
  PooledTokens tokens = {cu_seqlens[b], cu_seqlens[b] + skip, cu_seqlens[b + 1]};
  if (args.pooling == Pooling::kMarked || args.pooling == Pooling::kLastUnmarked) {
    tokens.begin = marked_token(args, tokens);
    tokens.end = tokens.begin + 1;
  }
  const V divisors = hn::Set(d, static_cast<float>(divisor(args.pooling, tokens)));
  const int64_t columns = args.out.shape[1];
  float* out = mutable_row_of<float>(args.out, b);
  for (int64_t c = 0; c < columns; c += kLanes) {
    const int64_t count = std::min(kLanes, columns - c);
    const V pooled = args.hidden.dtype == DType::kBF16
                         ? pool_columns<bf16>(args, tokens, c, count)
                         : pool_columns<float>(args, tokens, c, count);
    store(hn::Div(pooled, divisors), out + c, count);
  }
}

void pooling(OpContext& context, const PoolingArgs& args) {
  parallel_rows(context.pool, args.out.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) pool_sequence(args, b);
  });
}

// ------------------------------------------------------------------ l2_normalize, convert

void l2_normalize_row(const L2NormalizeArgs& args, int64_t row) {
  const D d;
  const int64_t columns = args.x.shape[1];
  const float* x = row_of<float>(args.x, row);
  float sum[1];
  const auto square = [&](int, int64_t c, int64_t count) HWY_ATTR {
    const V v = load(x + c, count);
    return hn::Mul(v, v);
  };
  rows::sum_columns(columns, square, sum);
  const V norm = hn::Set(d, std::max(std::sqrt(sum[0]), 1e-12f));
  float* out = mutable_row_of<float>(args.out, row);
  for (int64_t c = 0; c < columns; c += kLanes) {
    const int64_t count = std::min(kLanes, columns - c);
    store(hn::Div(load(x + c, count), norm), out + c, count);
  }
}

void l2_normalize(OpContext& context, const L2NormalizeArgs& args) {
  parallel_rows(context.pool, args.x.rows(), kBlockRows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) l2_normalize_row(args, row);
  });
}

template <class From, class To>
void convert_row(const ConvertArgs& args, int64_t row) {
  const int64_t columns = args.x.shape[1];
  const From* from = row_of<From>(args.x, row);
  To* to = mutable_row_of<To>(args.out, row);
  for (int64_t c = 0; c < columns; c += kLanes) {
    const int64_t count = std::min(kLanes, columns - c);
    store(load(from + c, count), to + c, count);
  }
}

// f16 is storage only: a plain loop serves it.
void convert_any_row(const ConvertArgs& args, int64_t row) {
  const DType from = args.x.dtype;
  const DType to = args.out.dtype;
  if (from == DType::kF32 && to == DType::kBF16) return convert_row<float, bf16>(args, row);
  if (from == DType::kBF16 && to == DType::kF32) return convert_row<bf16, float>(args, row);
  const auto from_stride = args.x.row_stride * static_cast<int64_t>(dtype_size_bytes(from));
  const auto to_stride = args.out.row_stride * static_cast<int64_t>(dtype_size_bytes(to));
  convert_elements(args.x.as<const std::byte>() + row * from_stride, from,
                   args.out.as<std::byte>() + row * to_stride, to,
                   static_cast<size_t>(args.x.shape[1]));
}

void convert(OpContext& context, const ConvertArgs& args) {
  parallel_rows(context.pool, args.x.rows(), kBlockRows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) convert_any_row(args, row);
  });
}

}  // namespace

// Constant: code that fills a table would itself be of this instruction set, and all tables are
// there on every CPU.
constexpr OpTable table(std::string_view isa) {
  return {
      .name = isa,
      .device_kind = "cpu",
      .native_bf16 = HWY_TARGET == HWY_AVX3_DL || isa == "neon_bf16",
      .embedding_sum = embedding_sum,
      .layer_norm = layer_norm,
      .rms_norm = rms_norm,
      .rope = rope,
      .gated_activation = gated_activation,
      .pooling = pooling,
      .l2_normalize = l2_normalize,
      .convert = convert,
  };
}

}  // namespace HWY_NAMESPACE
}  // namespace wde::ops
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace wde::ops {

const OpTable* cpu_op_table(std::string_view isa) {
  static constexpr OpTable kTables[] = {
#if HWY_TARGETS & HWY_AVX3_DL
    N_AVX3_DL::table("avx512_bf16"),
#endif
#if HWY_TARGETS & HWY_AVX3
    N_AVX3::table("avx512_vnni"),
    N_AVX3::table("avx512"),
#endif
#if HWY_TARGETS & HWY_AVX2
    N_AVX2::table("avx2"),
#endif
#if HWY_TARGETS & HWY_NEON
    N_NEON::table("neon_bf16"),
    N_NEON::table("neon_dot"),
    N_NEON::table("neon"),
#endif
    WDE_HWY_PORTABLE::table("portable"),
  };
  for (const OpTable& table : kTables) {
    if (table.name == isa) return &table;
  }
  return nullptr;
}

}  // namespace wde::ops
#endif
