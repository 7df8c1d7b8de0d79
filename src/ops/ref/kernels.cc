#include "ops/ref/kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace wde::ops::ref {
namespace {

double load(const TensorView& view, int64_t row, int64_t column) {
  const int64_t i = row * view.row_stride + column;
  switch (view.dtype) {
    case DType::kBF16:
      return to_f32(view.as<const bf16>()[i]);
    case DType::kF16:
      return to_f32(view.as<const f16>()[i]);
    default:
      return view.as<const float>()[i];
  }
}

void store(const TensorView& view, int64_t row, int64_t column, double value) {
  const int64_t i = row * view.row_stride + column;
  const auto rounded = static_cast<float>(value);
  switch (view.dtype) {
    case DType::kBF16:
      view.as<bf16>()[i] = to_bf16(rounded);
      return;
    case DType::kF16:
      view.as<f16>()[i] = to_f16(rounded);
      return;
    default:
      view.as<float>()[i] = rounded;
  }
}

// Row `row` of x plus its residual, of a norm's arguments.
template <class Args>
double load_sum(const Args& args, int64_t row, int64_t column) {
  const double x = load(args.x, row, column);
  return args.residual.data == nullptr ? x : x + load(args.residual, row, column);
}

// The pooled tokens [begin, end) of a sequence that starts at token `start`.
struct PooledTokens {
  int64_t start;
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
  if (args.marker == kLargestId)
    return std::max_element(ids + tokens.begin, ids + tokens.end) - ids;
  const int32_t* found = std::find(ids + tokens.begin, ids + tokens.end, args.marker);
  return found == ids + tokens.end ? tokens.begin : found - ids;
}

double pool_column(const PoolingArgs& args, const PooledTokens& tokens, int64_t column) {
  const auto count = static_cast<double>(tokens.end - tokens.begin);
  if (args.pooling == Pooling::kCls) return load(args.hidden, tokens.begin, column);
  if (args.pooling == Pooling::kMarked || args.pooling == Pooling::kLastUnmarked)
    return load(args.hidden, marked_token(args, tokens), column);
  if (args.pooling == Pooling::kLast) return load(args.hidden, tokens.end - 1, column);
  double sum = 0;
  double weights = 0;
  double max = -std::numeric_limits<double>::infinity();
  for (int64_t t = tokens.begin; t < tokens.end; ++t) {
    const double value = load(args.hidden, t, column);
    const double weight =
        args.pooling == Pooling::kWeightedMean ? static_cast<double>(t - tokens.start + 1) : 1.0;
    sum += value * weight;
    weights += weight;
    if (!(value <= max)) max = value;
  }
  if (args.pooling == Pooling::kMax) return max;
  return sum / (args.pooling == Pooling::kMeanSqrtLen ? std::sqrt(count) : weights);
}

template <class A, class B>
double dot(const A* a, const B* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(to_f32(a[i])) * to_f32(b[i]);
  return sum;
}

double dot_rows(const ReferenceGemmArgs& args, int64_t m, int64_t n) {
  const TensorView& x = args.io.x;
  const TensorView& w = args.weight;
  const int64_t x_begin = m * x.row_stride;
  const int64_t w_begin = n * w.row_stride;
  const auto with = [&](const auto* row) {
    return w.dtype == DType::kBF16 ? dot(row, w.as<const bf16>() + w_begin, x.shape[1])
                                   : dot(row, w.as<const float>() + w_begin, x.shape[1]);
  };
  return x.dtype == DType::kBF16 ? with(x.as<const bf16>() + x_begin)
                                 : with(x.as<const float>() + x_begin);
}

}  // namespace

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kGeluErf:
      return 0.5 * x * std::erfc(-x / std::numbers::sqrt2);
    case Activation::kGeluTanh: {
      const double inner = std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x);
      return 0.5 * x * (1.0 + std::tanh(inner));
    }
    case Activation::kQuickGelu:
      return x / (1.0 + std::exp(-1.702 * x));
    case Activation::kRelu:
      return x < 0.0 ? 0.0 : x;
    case Activation::kSilu:
      return x / (1.0 + std::exp(-x));
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kSigmoid:
      return 1.0 / (1.0 + std::exp(-x));
  }
  return x;
}

void embedding_sum(const EmbeddingSumArgs& args) {
  for (int64_t t = 0; t < args.out.shape[0]; ++t) {
    for (int64_t c = 0; c < args.out.shape[1]; ++c) {
      double sum = args.word_scale * load(args.word_table, args.ids.as<const int32_t>()[t], c);
      if (args.position_table.data != nullptr) {
        sum += load(args.position_table, args.positions.as<const int32_t>()[t], c);
      }
      if (args.type_table.data != nullptr) {
        sum += load(args.type_table, args.type_ids.as<const int32_t>()[t], c);
      }
      store(args.out, t, c, sum);
    }
  }
}

void layer_norm(const LayerNormArgs& args) {
  const int64_t columns = args.x.shape[1];
  for (int64_t t = 0; t < args.x.shape[0]; ++t) {
    double mean = 0;
    for (int64_t c = 0; c < columns; ++c) mean += load_sum(args, t, c);
    mean /= static_cast<double>(columns);
    double variance = 0;
    for (int64_t c = 0; c < columns; ++c) variance += std::pow(load_sum(args, t, c) - mean, 2);
    variance /= static_cast<double>(columns);
    const double scale = 1.0 / std::sqrt(variance + static_cast<double>(args.epsilon));
    for (int64_t c = 0; c < columns; ++c) {
      const double bias = args.bias.data == nullptr ? 0.0 : args.bias.as<const float>()[c];
      const double weight = args.weight.as<const float>()[c];
      store(args.out, t, c, (load_sum(args, t, c) - mean) * scale * weight + bias);
    }
  }
}

void rms_norm(const RmsNormArgs& args) {
  const int64_t size = args.weight.shape[0];
  for (int64_t t = 0; t < args.x.shape[0]; ++t) {
    for (int64_t begin = 0; begin < args.x.shape[1]; begin += size) {
      double squares = 0;
      for (int64_t c = 0; c < size; ++c) squares += std::pow(load_sum(args, t, begin + c), 2);
      const double mean = squares / static_cast<double>(size);
      const double scale = 1.0 / std::sqrt(mean + static_cast<double>(args.epsilon));
      for (int64_t c = 0; c < size; ++c) {
        const double weight = double{args.weight_offset} + args.weight.as<const float>()[c];
        const double addend = args.addend.data == nullptr ? 0 : load(args.addend, t, begin + c);
        store(args.out, t, begin + c, load_sum(args, t, begin + c) * scale * weight + addend);
      }
    }
  }
}

void rope(const RopeArgs& args) {
  const int64_t half = args.table.shape[1] / 2;
  const bool halves = args.pairs == RopePairs::kHalves;
  for (int64_t t = 0; t < args.x.shape[0]; ++t) {
    const int64_t position = args.positions.as<const int32_t>()[t];
    for (int64_t head = 0; head < args.x.shape[1]; head += args.head_size) {
      for (int64_t i = 0; i < half; ++i) {
        const double cosine = load(args.table, position, i);
        const double sine = load(args.table, position, half + i);
        const int64_t first = head + (halves ? i : 2 * i);
        const int64_t second = halves ? first + half : first + 1;
        const double a = load(args.x, t, first);
        const double b = load(args.x, t, second);
        store(args.x, t, first, a * cosine - b * sine);
        store(args.x, t, second, b * cosine + a * sine);
      }
    }
  }
}

void gated_activation(const GatedActivationArgs& args) {
  const int64_t columns = args.out.shape[1];
  const bool gate_first = args.order == GateOrder::kGateFirst;
  for (int64_t t = 0; t < args.out.shape[0]; ++t) {
    for (int64_t c = 0; c < columns; ++c) {
      const double gate = load(args.x, t, gate_first ? c : columns + c);
      const double up = load(args.x, t, gate_first ? columns + c : c);
      store(args.out, t, c, activate(args.activation, gate) * up);
    }
  }
}

void pooling(const PoolingArgs& args) {
  const int32_t* cu_seqlens = args.cu_seqlens.as<const int32_t>();
  for (int64_t b = 0; b < args.out.shape[0]; ++b) {
    const int32_t skip = args.skip.data == nullptr ? 0 : args.skip.as<const int32_t>()[b];
    const PooledTokens tokens = {cu_seqlens[b], cu_seqlens[b] + skip, cu_seqlens[b + 1]};
    for (int64_t c = 0; c < args.out.shape[1]; ++c) {
      store(args.out, b, c, pool_column(args, tokens, c));
    }
  }
}

void l2_normalize(const L2NormalizeArgs& args) {
  for (int64_t b = 0; b < args.x.shape[0]; ++b) {
    double sum = 0;
    for (int64_t c = 0; c < args.x.shape[1]; ++c) sum += std::pow(load(args.x, b, c), 2);
    const double norm = std::max(std::sqrt(sum), 1e-12);
    for (int64_t c = 0; c < args.x.shape[1]; ++c) store(args.out, b, c, load(args.x, b, c) / norm);
  }
}

void convert(const ConvertArgs& args) {
  for (int64_t t = 0; t < args.x.shape[0]; ++t) {
    for (int64_t c = 0; c < args.x.shape[1]; ++c) store(args.out, t, c, load(args.x, t, c));
  }
}

void gemm(const ReferenceGemmArgs& args) {
  const GemmArgs& io = args.io;
  for (int64_t m = 0; m < io.y.shape[0]; ++m) {
    for (int64_t n = 0; n < io.y.shape[1]; ++n) {
      const double bias = args.bias.data == nullptr ? 0.0 : args.bias.as<const float>()[n];
      const double residual = io.residual.data == nullptr ? 0.0 : load(io.residual, m, n);
      store(io.y, m, n, activate(args.activation, dot_rows(args, m, n) + bias) + residual);
    }
  }
}

}  // namespace wde::ops::ref
