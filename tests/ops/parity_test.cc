// Every op of every table against an fp64 oracle, over hostile shapes.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "op_runner.h"

namespace wde::ops::test {
namespace {

// ------------------------------------------------------------------ tolerances

constexpr Tolerance kEmbeddingSum = {1.0, 1e-7};
constexpr Tolerance kLayerNorm = {2.0, 4e-7};
// A bf16 output rounds to 2^-9 of its value: an input to that rounding that differs in its last
// fp32 bit may fall on the other side, which is one unit more than the naive error shows where few
// elements are compared.
constexpr Tolerance kLayerNormBf16 = {2.0, 4e-3};
constexpr Tolerance kPooling = {2.0, 3e-7};
constexpr Tolerance kL2Normalize = {2.0, 3e-7};
constexpr Tolerance kExact = {0.0, 0.0};

// ------------------------------------------------------------------ oracles, in Real = double or
// float

template <class Real>
std::vector<double> embed(const HostTensor& ids, const HostTensor& word,
                          const HostTensor& positions, const HostTensor* position_table,
                          const HostTensor& type_ids, const HostTensor* type_table, DType out) {
  std::vector<double> result;
  for (int64_t t = 0; t < ids.rows(); ++t) {
    for (int64_t c = 0; c < word.columns(); ++c) {
      Real sum = static_cast<Real>(word.at(static_cast<int64_t>(ids.at(t, 0)), c));
      if (position_table != nullptr) {
        sum += static_cast<Real>(position_table->at(static_cast<int64_t>(positions.at(t, 0)), c));
      }
      if (type_table != nullptr) {
        sum += static_cast<Real>(type_table->at(static_cast<int64_t>(type_ids.at(t, 0)), c));
      }
      result.push_back(std::is_same_v<Real, double> ? sum : round_to(out, sum));
    }
  }
  return result;
}

template <class Real>
std::vector<double> normalize(const HostTensor& x, const HostTensor* residual,
                              const HostTensor& weight, const HostTensor* bias, float epsilon) {
  std::vector<double> result;
  const auto n = static_cast<Real>(x.columns());
  for (int64_t t = 0; t < x.rows(); ++t) {
    const auto z = [&](int64_t c) {
      const Real value = static_cast<Real>(x.at(t, c));
      return residual == nullptr ? value : value + static_cast<Real>(residual->at(t, c));
    };
    Real mean = 0;
    for (int64_t c = 0; c < x.columns(); ++c) mean += z(c);
    mean /= n;
    Real variance = 0;
    for (int64_t c = 0; c < x.columns(); ++c) variance += (z(c) - mean) * (z(c) - mean);
    const Real scale = 1 / std::sqrt(variance / n + static_cast<Real>(epsilon));
    for (int64_t c = 0; c < x.columns(); ++c) {
      Real y = (z(c) - mean) * scale * static_cast<Real>(weight.at(c, 0));
      if (bias != nullptr) y += static_cast<Real>(bias->at(c, 0));
      result.push_back(std::is_same_v<Real, double> ? y : round_to(x.dtype, y));
    }
  }
  return result;
}

// sentence-transformers' definitions: Pooling._forward_padded without padding.
template <class Real>
std::vector<double> pool(const HostTensor& hidden, const std::vector<int>& cu_seqlens,
                         const std::vector<int>& skip, Pooling pooling) {
  std::vector<double> result;
  for (size_t b = 0; b + 1 < cu_seqlens.size(); ++b) {
    const int begin = cu_seqlens[b] + skip[b];
    const int end = cu_seqlens[b + 1];
    for (int64_t c = 0; c < hidden.columns(); ++c) {
      Real sum = 0;
      Real weights = 0;
      Real largest = -INFINITY;
      for (int t = begin; t < end; ++t) {
        const Real value = static_cast<Real>(hidden.at(t, c));
        const Real weight =
            pooling == Pooling::kWeightedMean ? static_cast<Real>(t - cu_seqlens[b] + 1) : 1;
        sum += value * weight;
        weights += weight;
        largest = std::max(largest, value);
      }
      switch (pooling) {
        case Pooling::kCls:
          result.push_back(hidden.at(begin, c));
          break;
        case Pooling::kLast:
          result.push_back(hidden.at(end - 1, c));
          break;
        case Pooling::kMax:
          result.push_back(largest);
          break;
        case Pooling::kMeanSqrtLen:
          result.push_back(sum / std::sqrt(weights));
          break;
        default:
          result.push_back(sum / weights);
          break;
      }
    }
  }
  return result;
}

template <class Real>
std::vector<double> l2(const HostTensor& x) {
  std::vector<double> result;
  for (int64_t b = 0; b < x.rows(); ++b) {
    Real sum = 0;
    for (int64_t c = 0; c < x.columns(); ++c)
      sum += static_cast<Real>(x.at(b, c)) * static_cast<Real>(x.at(b, c));
    const Real norm = std::max(std::sqrt(sum), static_cast<Real>(1e-12));
    for (int64_t c = 0; c < x.columns(); ++c)
      result.push_back(static_cast<Real>(x.at(b, c)) / norm);
  }
  return result;
}

// ------------------------------------------------------------------ the walk

struct Case {
  int64_t rows;
  int64_t columns;
  int64_t gap;
  int64_t offset;
};
constexpr Case kCases[] = {{0, 8, 0, 0},    {1, 1, 0, 0},   {2, 3, 1, 1},  {3, 7, 0, 1},
                           {1, 8, 0, 0},    {5, 15, 3, 0},  {4, 16, 0, 3}, {70, 17, 2, 1},
                           {33, 31, 0, 0},  {9, 33, 5, 1},  {2, 64, 0, 0}, {3, 384, 0, 0},
                           {65, 385, 7, 1}, {2, 4097, 1, 1}};
constexpr DType kFloats[] = {DType::kF32, DType::kBF16};

// Calls check(runner, case, dtype) for every table, thread count, shape and dtype.
void walk(const std::function<void(OpRunner&, const Case&, DType)>& check) {
  for (const OpTable* table : runnable_tables()) {
    for (const int threads : {1, 3}) {
      if (threads > 1 && table->name == "reference") continue;  // it knows no threads
      OpRunner runner(*table, threads);
      for (const DType dtype : kFloats) {
        for (const Case& c : kCases) {
          SCOPED_TRACE(fmt::format("{} on {}, {} threads, {} [{}, {}], gap {}, offset {}",
                                   table->name, table->device_kind, threads, dtype_name(dtype),
                                   c.rows, c.columns, c.gap, c.offset));
          check(runner, c, dtype);
          runner.release();
          if (testing::Test::HasFatalFailure()) return;
        }
      }
    }
  }
}

HostTensor placed(HostTensor tensor, const Case& c) {
  tensor.gap = c.gap;
  tensor.offset = c.offset;
  return tensor;
}

HostTensor blank(const Shape& shape, DType dtype, const Case& c) {
  return placed({shape, dtype, std::vector<double>(static_cast<size_t>(shape.elements()))}, c);
}

TEST(Parity, EmbeddingSum) {
  walk([](OpRunner& runner, const Case& c, DType dtype) {
    Random random(1);
    const HostTensor word = placed(random.normal(Shape({11, c.columns}), dtype), c);
    const HostTensor position = placed(random.normal(Shape({5, c.columns}), dtype), c);
    const HostTensor type = placed(random.normal(Shape({2, c.columns}), dtype), c);
    const HostTensor ids = random.below(c.rows, 11);
    const HostTensor positions = random.below(c.rows, 5);
    const HostTensor type_ids = random.below(c.rows, 2);
    for (const int tables : {1, 2, 3}) {
      for (const DType out : kFloats) {
        EmbeddingSumArgs args{.ids = runner.upload(ids), .word_table = runner.upload(word)};
        const HostTensor* position_table = tables > 1 ? &position : nullptr;
        const HostTensor* type_table = tables > 2 ? &type : nullptr;
        if (position_table != nullptr) {
          args.positions = runner.upload(positions);
          args.position_table = runner.upload(position);
        }
        if (type_table != nullptr) {
          args.type_ids = runner.upload(type_ids);
          args.type_table = runner.upload(type);
        }
        args.out = runner.upload(blank(Shape({c.rows, c.columns}), out, c));
        OpContext context = runner.context();
        embedding_sum(context, args);
        expect_close(runner.download(args.out),
                     embed<double>(ids, word, positions, position_table, type_ids, type_table, out),
                     embed<float>(ids, word, positions, position_table, type_ids, type_table, out),
                     kEmbeddingSum);
      }
    }
  });
}

TEST(Parity, LayerNorm) {
  walk([](OpRunner& runner, const Case& c, DType dtype) {
    Random random(2);
    const Shape shape({c.rows, c.columns});
    const HostTensor x = placed(random.normal(shape, dtype, 3.0), c);
    const HostTensor residual = placed(random.normal(shape, dtype), c);
    const HostTensor weight = random.normal(Shape({c.columns}), DType::kF32);
    const HostTensor bias = random.normal(Shape({c.columns}), DType::kF32);
    for (const bool whole : {false, true}) {
      LayerNormArgs args{.x = runner.upload(x), .weight = runner.upload(weight), .epsilon = 1e-5f};
      if (whole) args.residual = runner.upload(residual);
      if (whole) args.bias = runner.upload(bias);
      // In place too: out may be x or the residual.
      args.out = whole ? args.residual : args.x;
      OpContext context = runner.context();
      layer_norm(context, args);
      const HostTensor* r = whole ? &residual : nullptr;
      const HostTensor* b = whole ? &bias : nullptr;
      expect_close(runner.download(args.out), normalize<double>(x, r, weight, b, 1e-5f),
                   normalize<float>(x, r, weight, b, 1e-5f),
                   dtype == DType::kBF16 ? kLayerNormBf16 : kLayerNorm);
    }
  });
}

TEST(Parity, Pooling) {
  walk([](OpRunner& runner, const Case& c, DType dtype) {
    Random random(3);
    // Ragged: one token, then growing lengths.
    std::vector<int> cu_seqlens = {0};
    std::vector<int> skip;
    for (int length = 1; cu_seqlens.back() < c.rows; length = length * 2 + 1) {
      cu_seqlens.push_back(std::min(cu_seqlens.back() + length, static_cast<int>(c.rows)));
      const int tokens = cu_seqlens.back() - cu_seqlens[cu_seqlens.size() - 2];
      skip.push_back(tokens > 2 ? 2 : 0);
    }
    const auto sequences = static_cast<int64_t>(skip.size());
    const HostTensor hidden = placed(random.normal(Shape({c.rows, c.columns}), dtype), c);
    const HostTensor boundaries = {
        Shape({sequences + 1}), DType::kI32, {cu_seqlens.begin(), cu_seqlens.end()}};
    const HostTensor skips = {Shape({sequences}), DType::kI32, {skip.begin(), skip.end()}};
    for (const Pooling pooling_kind : {Pooling::kMean, Pooling::kCls, Pooling::kMax, Pooling::kLast,
                                       Pooling::kMeanSqrtLen, Pooling::kWeightedMean}) {
      for (const bool with_skip : {false, true}) {
        PoolingArgs args{.hidden = runner.upload(hidden), .cu_seqlens = runner.upload(boundaries)};
        if (with_skip) args.skip = runner.upload(skips);
        args.out = runner.upload(blank(Shape({sequences, c.columns}), DType::kF32, c));
        args.pooling = pooling_kind;
        OpContext context = runner.context();
        pooling(context, args);
        const std::vector<int> left_out = with_skip ? skip : std::vector<int>(skip.size());
        expect_close(runner.download(args.out),
                     pool<double>(hidden, cu_seqlens, left_out, pooling_kind),
                     pool<float>(hidden, cu_seqlens, left_out, pooling_kind), kPooling);
      }
    }
  });
}

TEST(Parity, L2Normalize) {
  walk([](OpRunner& runner, const Case& c, DType dtype) {
    if (dtype != DType::kF32) return;
    Random random(4);
    HostTensor x = placed(random.normal(Shape({c.rows, c.columns}), dtype), c);
    // A row of zeros stays zero.
    if (c.rows > 1) std::fill_n(x.values.begin(), c.columns, 0.0);
    L2NormalizeArgs args{.x = runner.upload(x), .out = {}};
    args.out = args.x;
    OpContext context = runner.context();
    l2_normalize(context, args);
    expect_close(runner.download(args.out), l2<double>(x), l2<float>(x), kL2Normalize);
  });
}

TEST(Parity, Convert) {
  walk([](OpRunner& runner, const Case& c, DType) {
    Random random(5);
    for (const DType from : {DType::kF32, DType::kBF16, DType::kF16}) {
      for (const DType to : {DType::kF32, DType::kBF16, DType::kF16}) {
        const HostTensor x = placed(random.normal(Shape({c.rows, c.columns}), from), c);
        ConvertArgs args{.x = runner.upload(x), .out = runner.upload(blank(x.shape, to, c))};
        OpContext context = runner.context();
        convert(context, args);
        std::vector<double> rounded;
        for (const double value : x.values) rounded.push_back(round_to(to, value));
        expect_close(runner.download(args.out), rounded, rounded, kExact);
      }
    }
  });
}

}  // namespace
}  // namespace wde::ops::test
