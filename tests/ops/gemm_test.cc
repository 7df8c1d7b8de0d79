// Every GEMM backend on every instruction set against an fp64 oracle, and the bits of its rows.
#include "ops/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "op_runner.h"
#include "ops/quantize.h"

namespace wde::ops::test {
namespace {

// An error of the sum is not the naive one's where few elements are compared: the floors are some
// units of the dtype's rounding. oneDNN's GELU is good to 1e-6 only.
Tolerance tolerance_for(std::string_view backend, DType output) {
  if (output == DType::kBF16) return {2.0, 4e-3};
  return {4.0, backend == "onednn" ? 2e-6 : 5e-7};
}

template <class Real>
Real activate(Activation activation, Real x) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kGeluErf:
      return x / 2 * (1 + std::erf(x / std::numbers::sqrt2_v<Real>));
    case Activation::kGeluTanh:
      return x / 2 *
             (1 + std::tanh(std::sqrt(2 / std::numbers::pi_v<Real>) *
                            (x + Real(0.044715) * x * x * x)));
    case Activation::kQuickGelu:
      return x / (1 + std::exp(Real(-1.702) * x));
    case Activation::kRelu:
      return std::max(x, Real(0));
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
  }
  return x;
}

struct Inputs {
  HostTensor x;
  HostTensor weight;
  HostTensor bias;
  HostTensor residual;
};

template <class Real>
std::vector<double> multiply(const GemmProblem& problem, const Inputs& in, bool residual) {
  std::vector<double> result;
  for (int64_t m = 0; m < in.x.rows(); ++m) {
    for (int64_t n = 0; n < problem.n; ++n) {
      Real sum = 0;
      for (int64_t k = 0; k < problem.k; ++k) {
        sum += static_cast<Real>(in.x.at(m, k)) * static_cast<Real>(in.weight.at(n, k));
      }
      if (problem.bias) sum += static_cast<Real>(in.bias.at(n, 0));
      Real y = activate(problem.activation, sum);
      if (residual) y += static_cast<Real>(in.residual.at(m, n));
      result.push_back(std::is_same_v<Real, double> ? y : round_to(problem.output_dtype, y));
    }
  }
  return result;
}

// The checkpoint's view of the weights, in host memory.
struct HostWeights {
  std::vector<std::byte> matrix;
  std::vector<float> bias;
  GemmWeights view;

  explicit HostWeights(const Inputs& in, bool with_bias)
      : matrix(in.weight.values.size() * dtype_size_bytes(in.weight.dtype)),
        bias(in.bias.values.begin(), in.bias.values.end()) {
    const size_t element_bytes = dtype_size_bytes(in.weight.dtype);
    for (size_t i = 0; i < in.weight.values.size(); ++i) {
      write_element(matrix.data() + i * element_bytes, in.weight.dtype, in.weight.values[i]);
    }
    view.weight = TensorView::contiguous(matrix.data(), in.weight.dtype, in.weight.shape);
    if (with_bias) view.bias = TensorView::contiguous(bias.data(), DType::kF32, in.bias.shape);
  }
};

Inputs make_inputs(const GemmProblem& problem, int64_t m) {
  Random random(static_cast<uint32_t>(problem.n * 31 + problem.k));
  const double scale = 1.0 / std::sqrt(static_cast<double>(problem.k));
  return {random.normal(Shape({m, problem.k}), problem.dtype),
          random.normal(Shape({problem.n, problem.k}), problem.dtype, 2 * scale),
          random.normal(Shape({problem.n}), DType::kF32),
          random.normal(Shape({m, problem.n}), problem.output_dtype)};
}

void run_gemm(OpRunner& runner, const Gemm& product, const GemmArgs& args) {
  OpContext context = runner.context();
  gemm(context, product, args);
}

// Why a backend can't even be tried for its numbers. In f32, oneDNN is tried below AVX-512 too,
// where it is refused for its bits, not for its numbers.
std::string untestable(const GemmBackend& backend, const GemmProblem& problem, OpRunner& runner) {
  const bool f32 = problem.dtype == DType::kF32 && problem.output_dtype == DType::kF32;
  if (backend.name == "onednn" && runner.table().name == "avx2" && f32) return {};
  return backend.refusal(problem, runner.device(), runner.table());
}

struct Case {
  int64_t m, n, k;
};
constexpr Case kCases[] = {{0, 8, 8},     {1, 1, 1},     {1, 7, 3},      {2, 1, 700},
                           {3, 16, 16},   {5, 17, 33},   {6, 32, 384},   {13, 31, 385},
                           {70, 65, 129}, {33, 96, 64},  {7, 48, 1537},  {200, 40, 50},
                           {64, 33, 771}, {259, 24, 24}, {80, 301, 1101}};

void check_parity(OpRunner& runner, const GemmBackend& backend, GemmProblem problem,
                  const Case& c) {
  problem.n = c.n;
  problem.k = c.k;
  if (!untestable(backend, problem, runner).empty()) return;
  const bool residual = (c.m + c.n) % 2 == 0;
  problem.bias = c.k % 2 == 1;
  SCOPED_TRACE(fmt::format("{} on {}/{}: {} x {} x {}, {} to {}, {}", backend.name,
                           runner.table().device_kind, runner.table().name, c.m, c.n, c.k,
                           dtype_name(problem.dtype), dtype_name(problem.output_dtype),
                           activation_name(problem.activation)));
  Inputs in = make_inputs(problem, c.m);
  in.x.gap = c.n % 3;
  in.x.offset = c.k % 2;
  in.residual.gap = c.n % 2;
  HostTensor y{in.residual.shape, problem.output_dtype, in.residual.values, c.k % 4, c.n % 2};
  const HostWeights weights(in, problem.bias);
  const auto product = backend.create(problem, weights.view, runner.device(), runner.table());
  ASSERT_TRUE(product.ok()) << product.status().message();
  GemmArgs args{.x = runner.upload(in.x), .y = runner.upload(y)};
  if (residual) args.residual = runner.upload(in.residual);
  run_gemm(runner, **product, args);
  expect_close(runner.download(args.y), multiply<double>(problem, in, residual),
               multiply<float>(problem, in, residual),
               tolerance_for(backend.name, problem.output_dtype));
}

TEST(Gemm, EveryBackendAgreesWithTheOracle) {
  constexpr Activation kActivations[] = {
      Activation::kNone, Activation::kGeluErf, Activation::kGeluTanh, Activation::kQuickGelu,
      Activation::kRelu, Activation::kSilu,    Activation::kTanh,     Activation::kSigmoid};
  for (const OpTable* table : runnable_tables()) {
    for (const GemmBackend& backend : gemm_backends()) {
      size_t turn = 0;
      for (const DType dtype : {DType::kF32, DType::kBF16}) {
        for (const DType output : {DType::kF32, DType::kBF16}) {
          for (const Case& c : kCases) {
            OpRunner runner(*table, turn % 2 == 0 ? 1 : 3);
            GemmProblem problem{.dtype = dtype, .output_dtype = output};
            problem.activation = kActivations[turn++ % std::size(kActivations)];
            check_parity(runner, backend, problem, c);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

// ------------------------------------------------------------------ int8

// The error that quantizing x may make: half a step for each value at worst, and with errors as
// good as random, a row's root mean square is that of a uniform distribution. A step is the row's
// range (zero included) in 255 parts.
void check_int8(OpRunner& runner, const GemmBackend& backend, GemmProblem problem, const Case& c) {
  problem.n = c.n;
  problem.k = c.k;
  if (!backend.refusal(problem, runner.device(), runner.table()).empty()) return;
  SCOPED_TRACE(fmt::format("{} on {}/{}: {} x {} x {}, {} to {}", backend.name,
                           runner.table().device_kind, runner.table().name, c.m, c.n, c.k,
                           dtype_name(problem.dtype), dtype_name(problem.output_dtype)));
  Inputs in = make_inputs(problem, c.m);
  for (int64_t m = 0; m < c.m; m += 2) {  // rows on one side of zero and rows around it
    for (int64_t k = 0; k < c.k; ++k) {
      double& x = in.x.values[static_cast<size_t>(m * c.k + k)];
      x = std::abs(x);
    }
  }
  const HostWeights weights(in, true);
  const auto product = backend.create(problem, weights.view, runner.device(), runner.table());
  ASSERT_TRUE(product.ok()) << product.status().message();
  const GemmArgs args{.x = runner.upload(in.x),
                      .residual = runner.upload(in.residual),
                      .y = runner.upload(in.residual)};
  run_gemm(runner, **product, args);
  const std::vector<double> y = runner.download(args.y);

  for (int64_t n = 0; n < c.n; ++n) {  // the weights as they were rounded
    std::vector<float> row(static_cast<size_t>(c.k));
    for (int64_t k = 0; k < c.k; ++k)
      row[static_cast<size_t>(k)] = static_cast<float>(in.weight.at(n, k));
    std::vector<int8_t> quantized(row.size());
    const float scale = quantize_weights(row, quantized.data());
    for (size_t k = 0; k < row.size(); ++k) {
      in.weight.values[static_cast<size_t>(n * c.k) + k] = double{scale} * quantized[k];
    }
  }
  const std::vector<double> exact = multiply<double>(problem, in, true);
  const double rounding = problem.output_dtype == DType::kBF16 ? 0x1p-8 : 1e-5;
  for (int64_t m = 0; m < c.m; ++m) {
    double low = 0, high = 0;
    for (int64_t k = 0; k < c.k; ++k) {
      low = std::min(low, in.x.at(m, k));
      high = std::max(high, in.x.at(m, k));
    }
    const double step = (high - low) / 255;
    double squares = 0, expected_squares = 0;
    for (int64_t n = 0; n < c.n; ++n) {
      double sum = 0, sum_squares = 0;
      for (int64_t k = 0; k < c.k; ++k) {
        sum += std::abs(in.weight.at(n, k));
        sum_squares += in.weight.at(n, k) * in.weight.at(n, k);
      }
      const auto at = static_cast<size_t>(m * c.n + n);
      const double slack = rounding * (1 + std::abs(exact[at])) + 1e-6;
      const double error = std::abs(y[at] - exact[at]);
      // GELU's slope is at most 1.13.
      ASSERT_LE(error, 1.13 * step / 2 * sum + slack) << "row " << m << ", output " << n;
      squares += error * error;
      expected_squares += step * step / 12 * sum_squares + slack * slack;
    }
    if (c.n >= 16 && c.k >= 16) {
      EXPECT_LE(squares, 4 * expected_squares) << "row " << m;
    }
  }
}

TEST(Gemm, Int8ErrsByTheRoundingOfItsInputsOnly) {
  for (const OpTable* table : runnable_tables()) {
    for (const GemmBackend& backend : gemm_backends()) {
      size_t turn = 0;
      for (const DType dtype : {DType::kF32, DType::kBF16}) {
        for (const DType output : {DType::kF32, DType::kBF16}) {
          for (const Case& c : kCases) {
            OpRunner runner(*table, turn % 2 == 0 ? 1 : 3);
            GemmProblem problem{.dtype = dtype, .output_dtype = output};
            problem.weights = WeightFormat::kInt8;
            problem.bias = true;
            problem.activation = ++turn % 2 == 0 ? Activation::kNone : Activation::kGeluErf;
            check_int8(runner, backend, problem, c);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

// Rows that no scale fits: constant, next to nothing, huge, not finite.
TEST(Gemm, Int8TakesAnyRow) {
  constexpr int64_t kK = 40;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const OpTable* table : runnable_tables()) {
    SCOPED_TRACE(fmt::format("{}/{}", table->device_kind, table->name));
    OpRunner runner(*table, 1);
    const GemmProblem problem{.n = 3, .k = kK, .weights = WeightFormat::kInt8, .bias = true};
    Inputs in = make_inputs(problem, 7);
    const double rows[] = {0, 1, -3, 1e-42, 1e37, kInfinity, std::nan("")};
    for (int64_t m = 0; m < 7; ++m) {
      for (int64_t k = 0; k < kK; ++k) {
        double& x = in.x.values[static_cast<size_t>(m * kK + k)];
        if (m < 5) x = rows[m];
        if (m >= 5 && k == 17) x = rows[m];
      }
    }
    const HostWeights weights(in, true);
    const auto product = create_gemm(problem, weights.view, runner.device(), *table).value();
    const GemmArgs args{.x = runner.upload(in.x), .residual = {}, .y = runner.upload(in.residual)};
    run_gemm(runner, *product, args);
    const std::vector<double> y = runner.download(args.y);
    for (int64_t n = 0; n < 3; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < kK; ++k) sum += in.weight.at(n, k);
      const double bias = in.bias.at(n, 0);
      const auto at = [&](int64_t m) { return y[static_cast<size_t>(m * 3 + n)]; };
      EXPECT_NEAR(at(0), bias, 1e-6);
      EXPECT_NEAR(at(1), bias + sum, 0.05);
      EXPECT_NEAR(at(2), bias - 3 * sum, 0.15);
      EXPECT_NEAR(at(3), bias, 1e-6);
      EXPECT_NEAR(at(4) / 1e37, sum, 0.05);
      EXPECT_FALSE(std::isfinite(at(5)));
      EXPECT_TRUE(std::isnan(at(6)));
    }
  }
}

// Weights of another dtype than the problem's, and rows of a wider matrix.
TEST(Gemm, PacksWeightsOfAnyFloatDtypeAndStride) {
  for (const DType stored : {DType::kF32, DType::kBF16, DType::kF16}) {
    for (const GemmBackend& backend : gemm_backends()) {
      OpRunner runner(*choose_op_table("cpu").value(), 1);
      GemmProblem problem{.n = 19, .k = 21};
      if (!backend.refusal(problem, runner.device(), runner.table()).empty()) continue;
      Inputs in = make_inputs(problem, 5);
      Random random(9);
      in.weight = random.normal(Shape({19, 21}), stored);
      OpRunner host(*choose_op_table("cpu", "reference").value(), 1);
      in.weight.gap = 4;
      const GemmWeights weights{.weight = host.upload(in.weight), .bias = {}};
      const auto product = backend.create(problem, weights, runner.device(), runner.table());
      ASSERT_TRUE(product.ok());
      GemmArgs args{.x = runner.upload(in.x), .y = runner.upload(in.residual)};
      run_gemm(runner, **product, args);
      expect_close(runner.download(args.y), multiply<double>(problem, in, false),
                   multiply<float>(problem, in, false), tolerance_for(backend.name, DType::kF32));
    }
  }
}

// ------------------------------------------------------------------ batch invariance

// The rows [begin, begin + count) computed alone, as bits.
std::vector<double> rows_alone(OpRunner& runner, const Gemm& product, const TensorView& x,
                               int64_t begin, int64_t count, const TensorView& y) {
  run_gemm(runner, product,
           {.x = x.slice_rows(begin, count), .residual = {}, .y = y.slice_rows(0, count)});
  return runner.download(y.slice_rows(0, count));
}

// Batches of 1 to 70 rows, every `step`th, against the same rows among `many`.
void check_invariance(const OpTable& table, const GemmBackend& backend, const GemmProblem& problem,
                      int64_t many, int64_t step = 1) {
  OpRunner one(table, 1);
  if (!backend.refusal(problem, one.device(), table).empty()) return;
  SCOPED_TRACE(fmt::format("{} on {}/{}, {}, k = {}", backend.name, table.device_kind, table.name,
                           dtype_name(problem.dtype), problem.k));
  const Inputs in = make_inputs(problem, many);
  const HostWeights weights(in, problem.bias);
  const auto product = backend.create(problem, weights.view, one.device(), table).value();
  OpRunner two(table, 2);
  const TensorView x = one.upload(in.x);
  const TensorView y = one.upload(in.residual);
  const std::vector<double> all = rows_alone(one, *product, x, 0, many, y);
  if (table.device_kind == "cpu") {
    EXPECT_EQ(rows_alone(two, *product, x, 0, many, y), all) << "two threads";
  }
  for (int64_t m = 1; m <= 70; m += step) {
    const int64_t begin = m * 37 % (many - m);
    const auto first = all.begin() + begin * problem.n;
    const std::vector<double> expected(first, first + m * problem.n);
    EXPECT_EQ(rows_alone(one, *product, x, begin, m, y), expected) << "M = " << m;
    if (table.device_kind == "cpu") {
      EXPECT_EQ(rows_alone(two, *product, x, begin, m, y), expected)
          << "M = " << m << ", two threads";
    }
  }
}

TEST(Gemm, RowsHaveTheSameBitsWhateverTheBatch) {
  for (const OpTable* table : runnable_tables()) {
    for (const GemmBackend& backend : gemm_backends()) {
      for (const DType dtype : {DType::kF32, DType::kBF16}) {
        for (const WeightFormat weights : {WeightFormat::kDType, WeightFormat::kInt8}) {
          GemmProblem problem{.dtype = dtype, .output_dtype = dtype, .n = 35, .k = 97};
          problem.weights = weights;
          problem.bias = true;
          problem.activation = Activation::kGeluErf;
          // oneDNN chooses kernels by M; ours cut rows into blocks of at most 288.
          const int64_t many = backend.name == "onednn" ? 4096 : 700;
          check_invariance(*table, backend, problem, many);
          problem.k = 901;  // several slices of k
          problem.n = 17;
          if (backend.name == "reference") continue;
          check_invariance(*table, backend, problem, many);
          // In one row k is whole; in many it is in stretches, over two groups of panels, in
          // every form.
          problem.k = 6201;
          problem.n = 470;
          check_invariance(*table, backend, problem, 150, 69);
        }
      }
    }
  }
}

// ------------------------------------------------------------------ choosing

TEST(Gemm, UnknownBackendAndRefusalsAreSaid) {
  OpRunner runner(*choose_op_table("cpu").value(), 1);
  const GemmProblem problem{.n = 4, .k = 4};
  const Inputs in = make_inputs(problem, 1);
  const HostWeights weights(in, false);
  const Status unknown =
      create_gemm(problem, weights.view, runner.device(), runner.table(), "cublas").status();
  EXPECT_EQ(unknown.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(unknown.message().find("tiled, onednn, reference"), std::string::npos);

  OpRunner emulated(*choose_op_table("emulated").value(), 1);
  const Status refused =
      create_gemm(problem, weights.view, emulated.device(), emulated.table(), "tiled").status();
  EXPECT_EQ(refused.code(), StatusCode::kUnsupported);
  EXPECT_NE(refused.message().find("not on emulated"), std::string::npos);
  EXPECT_TRUE(create_gemm(problem, weights.view, emulated.device(), emulated.table()).ok());
}

TEST(Gemm, ProblemsNobodyDoesAreRefused) {
  OpRunner runner(*choose_op_table("cpu").value(), 1);
  for (const GemmProblem& problem : {GemmProblem{.dtype = DType::kI8, .n = 4, .k = 4},
                                     GemmProblem{.n = 0, .k = 4}, GemmProblem{.n = 4, .k = 0}}) {
    EXPECT_EQ(create_gemm(problem, {}, runner.device(), runner.table()).status().code(),
              StatusCode::kUnsupported);
  }
}

TEST(Gemm, OneDnnRefusesBelowAvx512) {
  OpRunner runner(*choose_op_table("cpu", "portable").value(), 1);
  const GemmProblem problem{.n = 4, .k = 4};
  const GemmBackend& onednn = gemm_backends()[1];
  ASSERT_EQ(onednn.name, "onednn");
  EXPECT_NE(onednn.refusal(problem, runner.device(), runner.table()), "");
}

TEST(Gemm, MeasuringTakesWorkspaceAndComputesNothing) {
  OpRunner runner(*choose_op_table("cpu").value(), 1);
  const GemmProblem problem{.n = 40, .k = 50};
  const Inputs in = make_inputs(problem, 30);
  const HostWeights weights(in, false);
  const auto product = create_gemm(problem, weights.view, runner.device(), runner.table()).value();
  OpContext real = runner.context();
  Arena measuring = Arena::measuring();
  OpContext context{.stream = real.stream, .ops = real.ops, .arena = measuring, .measuring = true};
  const TensorView x = measuring.allocate(DType::kF32, Shape({30, 50}));
  const TensorView y = measuring.allocate(DType::kF32, Shape({30, 40}));
  const size_t before = measuring.high_water_bytes();
  gemm(context, *product, {.x = x, .residual = {}, .y = y});
  EXPECT_GE(measuring.high_water_bytes(), before + product->workspace_bytes(30, 1));
}

}  // namespace
}  // namespace wde::ops::test
