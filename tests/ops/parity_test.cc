// Every op of every table against an fp64 oracle, over hostile shapes.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
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
constexpr Tolerance kRmsNorm = {2.0, 4e-7};
constexpr Tolerance kRmsNormBf16 = kLayerNormBf16;
constexpr Tolerance kRope = {2.0, 2e-7};
constexpr Tolerance kRopeBf16 = kLayerNormBf16;
// The vector functions are within a few units in the last place of the C library's.
constexpr Tolerance kGatedActivation = {2.0, 4e-7};
constexpr Tolerance kGatedActivationBf16 = kLayerNormBf16;
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

template <class Real>
std::vector<double> rms_normalize(const HostTensor& x, const HostTensor* residual,
                                  const HostTensor& weight, float offset, float epsilon) {
  std::vector<double> result;
  for (int64_t t = 0; t < x.rows(); ++t) {
    const auto z = [&](int64_t c) {
      const Real value = static_cast<Real>(x.at(t, c));
      return residual == nullptr ? value : value + static_cast<Real>(residual->at(t, c));
    };
    Real squares = 0;
    for (int64_t c = 0; c < x.columns(); ++c) squares += z(c) * z(c);
    const Real scale =
        1 / std::sqrt(squares / static_cast<Real>(x.columns()) + static_cast<Real>(epsilon));
    for (int64_t c = 0; c < x.columns(); ++c) {
      const Real y =
          z(c) * scale * (static_cast<Real>(offset) + static_cast<Real>(weight.at(c, 0)));
      result.push_back(std::is_same_v<Real, double> ? y : round_to(x.dtype, y));
    }
  }
  return result;
}

// As a multiplication of complex numbers.
template <class Real>
std::vector<double> rotate(const HostTensor& x, const HostTensor& positions,
                           const HostTensor& table, int64_t head_size, RopePairs pairs) {
  std::vector<double> result = x.values;
  const int64_t half = table.columns() / 2;
  for (int64_t t = 0; t < x.rows(); ++t) {
    const auto position = static_cast<int64_t>(positions.at(t, 0));
    for (int64_t head = 0; head < x.columns(); head += head_size) {
      for (int64_t i = 0; i < half; ++i) {
        const int64_t first = head + (pairs == RopePairs::kHalves ? i : 2 * i);
        const int64_t second = head + (pairs == RopePairs::kHalves ? half + i : 2 * i + 1);
        const std::complex<Real> turn(static_cast<Real>(table.at(position, i)),
                                      static_cast<Real>(table.at(position, half + i)));
        const std::complex<Real> turned =
            turn * std::complex<Real>(static_cast<Real>(x.at(t, first)),
                                      static_cast<Real>(x.at(t, second)));
        const auto put = [&](int64_t column, Real y) {
          result[static_cast<size_t>(t * x.columns() + column)] =
              std::is_same_v<Real, double> ? y : round_to(x.dtype, y);
        };
        put(first, turned.real());
        put(second, turned.imag());
      }
    }
  }
  return result;
}

template <class Real>
Real activated(Activation activation, Real x) {
  switch (activation) {
    case Activation::kGeluErf:
      return x * (1 + std::erf(x / std::sqrt(Real{2}))) / 2;
    case Activation::kGeluTanh:
      return x / 2 *
             (1 + std::tanh(std::sqrt(2 / std::acos(Real{-1})) *
                            (x + static_cast<Real>(0.044715) * x * x * x)));
    case Activation::kQuickGelu:
      return x / (1 + std::exp(static_cast<Real>(-1.702) * x));
    case Activation::kRelu:
      return std::max(x, Real{0});
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::kNone:
      break;
  }
  return x;
}

template <class Real>
std::vector<double> gate(const HostTensor& x, Activation activation, GateOrder order) {
  std::vector<double> result;
  const int64_t columns = x.columns() / 2;
  for (int64_t t = 0; t < x.rows(); ++t) {
    for (int64_t c = 0; c < columns; ++c) {
      const Real first = static_cast<Real>(x.at(t, c));
      const Real second = static_cast<Real>(x.at(t, columns + c));
      const Real y = order == GateOrder::kGateFirst ? activated(activation, first) * second
                                                    : activated(activation, second) * first;
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
        args.word_scale = tables == 1 ? 3.0f : 1.0f;
        HostTensor scaled = word;
        for (double& value : scaled.values) value *= args.word_scale;
        OpContext context = runner.context();
        embedding_sum(context, args);
        expect_close(
            runner.download(args.out),
            embed<double>(ids, scaled, positions, position_table, type_ids, type_table, out),
            embed<float>(ids, scaled, positions, position_table, type_ids, type_table, out),
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

TEST(Parity, RmsNorm) {
  walk([](OpRunner& runner, const Case& c, DType dtype) {
    Random random(6);
    const Shape shape({c.rows, c.columns});
    const HostTensor x = placed(random.normal(shape, dtype, 3.0), c);
    const HostTensor residual = placed(random.normal(shape, dtype), c);
    const HostTensor weight = random.normal(Shape({c.columns}), DType::kF32);
    for (const bool whole : {false, true}) {
      RmsNormArgs args{.x = runner.upload(x), .weight = runner.upload(weight), .epsilon = 1e-5f};
      if (whole) args.residual = runner.upload(residual);
      args.weight_offset = whole ? 1.0f : 0.0f;
      args.out = whole ? args.residual : args.x;  // in place too
      OpContext context = runner.context();
      rms_norm(context, args);
      const HostTensor* r = whole ? &residual : nullptr;
      expect_close(runner.download(args.out),
                   rms_normalize<double>(x, r, weight, args.weight_offset, 1e-5f),
                   rms_normalize<float>(x, r, weight, args.weight_offset, 1e-5f),
                   dtype == DType::kBF16 ? kRmsNormBf16 : kRmsNorm);
    }
  });
}

// Every head of a row by itself, and a sum with what stands beside it.
TEST(Parity, RmsNormOfParts) {
  walk([](OpRunner& runner, const Case& c, DType dtype) {
    if (c.columns > 1000) return;
    Random random(8);
    constexpr int64_t kParts = 3;
    const HostTensor x = random.normal(Shape({c.rows, kParts * c.columns}), dtype, 3.0);
    const HostTensor addend = random.normal(x.shape, dtype);
    const HostTensor weight = random.normal(Shape({c.columns}), DType::kF32);
    for (const bool adds : {false, true}) {
      RmsNormArgs args{.x = runner.upload(x), .weight = runner.upload(weight), .epsilon = 1e-5f};
      if (adds) args.addend = runner.upload(addend);
      args.out = adds ? args.addend : args.x;  // in place
      OpContext context = runner.context();
      rms_norm(context, args);
      // The parts as rows of their own.
      const HostTensor rows = {Shape({c.rows * kParts, c.columns}), dtype, x.values};
      std::vector<double> expected[2] = {rms_normalize<double>(rows, nullptr, weight, 0, 1e-5f),
                                         rms_normalize<float>(rows, nullptr, weight, 0, 1e-5f)};
      for (std::vector<double>& values : expected) {
        for (size_t i = 0; adds && i < values.size(); ++i) values[i] += addend.values[i];
      }
      expect_close(runner.download(args.out), expected[0], expected[1],
                   dtype == DType::kBF16 ? kRmsNormBf16 : kRmsNorm);
    }
  });
}

std::vector<double> row_of(const std::vector<double>& values, int64_t row, int64_t columns) {
  return {values.begin() + row * columns, values.begin() + (row + 1) * columns};
}

// However many rows a kernel takes at once, a row has the bits that it has alone.
TEST(Parity, NormsOfARowAlone) {
  walk([](OpRunner& runner, const Case& c, DType dtype) {
    if (c.rows > 9) return;
    Random random(9);
    const Shape shape({c.rows, c.columns});
    const HostTensor x = random.normal(shape, dtype, 3.0);
    const HostTensor other = random.normal(shape, dtype);
    const HostTensor weight = random.normal(Shape({c.columns}), DType::kF32);
    const auto layer_normalize = [&](const HostTensor& rows, const HostTensor& residual) {
      LayerNormArgs args{
          .x = runner.upload(rows), .weight = runner.upload(weight), .epsilon = 1e-5f};
      args.residual = runner.upload(residual);
      args.bias = runner.upload(weight);
      args.out = args.x;
      OpContext context = runner.context();
      layer_norm(context, args);
      return runner.download(args.out);
    };
    const auto rms_normalize_and_add = [&](const HostTensor& rows, const HostTensor& addend) {
      RmsNormArgs args{.x = runner.upload(rows), .weight = runner.upload(weight), .epsilon = 1e-5f};
      args.addend = runner.upload(addend);
      args.out = args.x;
      OpContext context = runner.context();
      rms_norm(context, args);
      return runner.download(args.out);
    };
    const std::vector<double> normalized = layer_normalize(x, other);
    const std::vector<double> normalized_and_added = rms_normalize_and_add(x, other);
    for (int64_t row = 0; row < c.rows; ++row) {
      const Shape one({1, c.columns});
      const HostTensor x_row = {one, dtype, row_of(x.values, row, c.columns)};
      const HostTensor other_row = {one, dtype, row_of(other.values, row, c.columns)};
      EXPECT_EQ(layer_normalize(x_row, other_row), row_of(normalized, row, c.columns));
      EXPECT_EQ(rms_normalize_and_add(x_row, other_row),
                row_of(normalized_and_added, row, c.columns));
    }
  });
}

// The case's columns are those of one head, made even; all of them turn, or a part.
TEST(Parity, Rope) {
  walk([](OpRunner& runner, const Case& c, DType dtype) {
    if (c.columns > 1000) return;
    Random random(7);
    const int64_t head_size = c.columns;
    const HostTensor positions = random.below(c.rows, 9);
    for (const int64_t heads : {1, 5}) {
      for (const int64_t half : {head_size / 2, head_size / 4, int64_t{0}}) {
        // A packed row: the columns behind the turned heads must stay as they are.
        const HostTensor packed =
            placed(random.normal(Shape({c.rows, (heads + 2) * head_size}), dtype), c);
        HostTensor x =
            placed({Shape({c.rows, heads * head_size}), dtype, std::vector<double>()}, c);
        for (int64_t t = 0; t < c.rows; ++t) {
          for (int64_t i = 0; i < x.columns(); ++i) x.values.push_back(packed.at(t, i));
        }
        const HostTensor table = random.normal(Shape({9, 2 * half}), DType::kF32);
        for (const RopePairs pairs : {RopePairs::kHalves, RopePairs::kInterleaved}) {
          const TensorView row = runner.upload(packed);
          OpContext context = runner.context();
          rope(context, {.x = row.slice_columns(0, x.columns()),
                         .positions = runner.upload(positions),
                         .table = runner.upload(table),
                         .head_size = head_size,
                         .pairs = pairs});
          std::vector<double> expected[2] = {rotate<double>(x, positions, table, head_size, pairs),
                                             rotate<float>(x, positions, table, head_size, pairs)};
          for (std::vector<double>& values : expected) {
            std::vector<double> whole = packed.values;
            for (size_t i = 0; i < values.size(); ++i) {
              const size_t t = i / static_cast<size_t>(x.columns());
              whole[t * static_cast<size_t>(packed.columns()) +
                    i % static_cast<size_t>(x.columns())] = values[i];
            }
            values = whole;
          }
          expect_close(runner.download(row), expected[0], expected[1],
                       dtype == DType::kBF16 ? kRopeBf16 : kRope);
        }
      }
    }
  });
}

TEST(Parity, GatedActivation) {
  walk([](OpRunner& runner, const Case& c, DType dtype) {
    Random random(8);
    const HostTensor x = placed(random.normal(Shape({c.rows, 2 * c.columns}), dtype, 3.0), c);
    for (const Activation activation :
         {Activation::kNone, Activation::kGeluErf, Activation::kGeluTanh, Activation::kQuickGelu,
          Activation::kRelu, Activation::kSilu, Activation::kTanh, Activation::kSigmoid}) {
      for (const GateOrder order : {GateOrder::kGateFirst, GateOrder::kUpFirst}) {
        GatedActivationArgs args{
            .x = runner.upload(x), .out = {}, .activation = activation, .order = order};
        const bool in_place = order == GateOrder::kGateFirst;
        args.out = in_place ? args.x.slice_columns(0, c.columns)
                            : runner.upload(blank(Shape({c.rows, c.columns}), dtype, c));
        OpContext context = runner.context();
        gated_activation(context, args);
        // In place, the gaps between out's rows are x's second half: read through a whole view.
        std::vector<double> actual;
        if (in_place) {
          const std::vector<double> whole = runner.download(args.x);
          for (int64_t t = 0; t < c.rows; ++t) {
            const auto begin = whole.begin() + t * 2 * c.columns;
            actual.insert(actual.end(), begin, begin + c.columns);
          }
        } else {
          actual = runner.download(args.out);
        }
        expect_close(actual, gate<double>(x, activation, order), gate<float>(x, activation, order),
                     dtype == DType::kBF16 ? kGatedActivationBf16 : kGatedActivation);
      }
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

TEST(Parity, MarkedPoolingTakesTheFirstTokenOfTheId) {
  walk([](OpRunner& runner, const Case& c, DType dtype) {
    if (c.rows < 5) return;
    Random random(6);
    const HostTensor hidden = placed(random.normal(Shape({c.rows, c.columns}), dtype), c);
    // Id 7 twice, and behind a skipped one; in the second sequence there is none.
    HostTensor ids = random.below(c.rows, 7);
    ids.values[0] = ids.values[2] = ids.values[3] = 7;
    const double rows = static_cast<double>(c.rows);
    const HostTensor boundaries = {Shape({3}), DType::kI32, {0, 4, rows}};
    const HostTensor skips = {Shape({2}), DType::kI32, {1, 0}};
    for (const int32_t marker : {7, kLargestId}) {
      PoolingArgs args{.hidden = runner.upload(hidden),
                       .cu_seqlens = runner.upload(boundaries),
                       .skip = runner.upload(skips),
                       .ids = runner.upload(ids)};
      args.out = runner.upload(blank(Shape({2, c.columns}), DType::kF32, c));
      args.pooling = Pooling::kMarked;
      args.marker = marker;
      OpContext context = runner.context();
      pooling(context, args);
      const auto largest = std::max_element(ids.values.begin() + 4, ids.values.end());
      const int64_t second = marker == 7 ? 4 : largest - ids.values.begin();
      std::vector<double> expected;
      for (const int64_t row : {int64_t{2}, second}) {
        for (int64_t column = 0; column < c.columns; ++column)
          expected.push_back(hidden.at(row, column));
      }
      expect_close(runner.download(args.out), expected, expected, kExact);
    }
  });
}

TEST(Parity, LastUnmarkedPoolingPassesOverTheMarker) {
  walk([](OpRunner& runner, const Case& c, DType dtype) {
    if (c.rows < 5) return;
    Random random(9);
    const HostTensor hidden = placed(random.normal(Shape({c.rows, c.columns}), dtype), c);
    // At the first sequence's end twice, in the second everywhere.
    HostTensor ids = random.below(c.rows, 7);
    std::fill(ids.values.begin() + 1, ids.values.end(), 7.0);
    ids.values[1] = 3;
    const HostTensor boundaries = {Shape({3}), DType::kI32, {0, 4, static_cast<double>(c.rows)}};
    for (const int32_t marker : {7, -1}) {
      PoolingArgs args{.hidden = runner.upload(hidden),
                       .cu_seqlens = runner.upload(boundaries),
                       .ids = runner.upload(ids)};
      args.out = runner.upload(blank(Shape({2, c.columns}), DType::kF32, c));
      args.pooling = Pooling::kLastUnmarked;
      args.marker = marker;
      OpContext context = runner.context();
      pooling(context, args);
      std::vector<double> expected;
      for (const int64_t row : {int64_t{marker == 7 ? 1 : 3}, marker == 7 ? 4 : c.rows - 1}) {
        for (int64_t column = 0; column < c.columns; ++column)
          expected.push_back(hidden.at(row, column));
      }
      expect_close(runner.download(args.out), expected, expected, kExact);
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
