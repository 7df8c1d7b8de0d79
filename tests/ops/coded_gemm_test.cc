// Products with weights that stay codes: the bits of products with the numbers that the codes stand
// for, on every instruction set.
#include <gtest/gtest.h>

#include "op_runner.h"
#include "ops/gemm.h"

namespace wde::ops::test {
namespace {

struct Kind {
  int bits;
  int64_t group_size;
  bool has_zero_code;
  bool shuffled;  // groups are not of neighbours
};
constexpr Kind kKinds[] = {{4, 32, true, false},   {4, 32, false, false}, {4, 128, false, true},
                           {8, 16, true, false},   {8, 32, true, true},   {4, 7, false, false},
                           {8, 1000, false, false}};

// Random codes, with scales that f16 can say, as those of real files.
class RandomCodes final : public CodedRows {
 public:
  RandomCodes(const Kind& kind, int64_t n, int64_t k, std::vector<int32_t> group_of)
      : CodedRows(Shape{n, k}, layout_of(kind, k, group_of)),
        kind_(kind),
        group_of_(std::move(group_of)) {}

  static std::unique_ptr<RandomCodes> make(const Kind& kind, int64_t n, int64_t k) {
    std::vector<int32_t> group_of;
    const auto groups = static_cast<int32_t>((k + kind.group_size - 1) / kind.group_size);
    for (int32_t i = 0; kind.shuffled && i < k; ++i) group_of.push_back(i * 7 % groups);
    return std::make_unique<RandomCodes>(kind, n, k, std::move(group_of));
  }

  void read_codes(int64_t row, uint8_t* codes, float* scales, float* offsets) const override {
    std::minstd_rand random(static_cast<uint32_t>(row * 31 + kind_.bits));
    for (int64_t k = 0; k < row_elements(); ++k)
      codes[k] = static_cast<uint8_t>(random() >> 8 & ((1u << kind_.bits) - 1));
    for (int64_t g = 0; g < code_layout()->groups; ++g) {
      scales[g] = to_f32(to_f16(0.001f + 1e-6f * static_cast<float>(random() % 10000)));
      if (offsets != nullptr) offsets[g] = -scales[g] * static_cast<float>(random() % 16);
    }
  }

 private:
  static CodeLayout layout_of(const Kind& kind, int64_t k, const std::vector<int32_t>& group_of) {
    CodeLayout layout{.bits = kind.bits,
                      .groups = (k + kind.group_size - 1) / kind.group_size,
                      .group_size = kind.group_size,
                      .zero_code = {},
                      .group_of = group_of};
    if (kind.has_zero_code) layout.zero_code = 1 << (kind.bits - 1);
    return layout;
  }

  Kind kind_;
  std::vector<int32_t> group_of_;  // moved from what the layout points to: the same memory
};

struct Case {
  int64_t m, n, k;
};
constexpr Case kCases[] = {{0, 8, 64},    {1, 1, 1},    {1, 33, 700},   {2, 96, 257}, {5, 40, 128},
                           {6, 65, 1024}, {13, 17, 33}, {150, 50, 384}, {160, 23, 90}};

std::vector<double> product_of(OpRunner& runner, const GemmBackend& backend,
                               const GemmProblem& problem, const GemmWeights& weights,
                               const GemmArgs& args) {
  const auto product = backend.create(problem, weights, runner.device(), runner.table());
  EXPECT_TRUE(product.ok()) << product.status().message();
  OpContext context = runner.context();
  gemm(context, **product, args);
  return runner.download(args.y);
}

void check(const OpTable& table, const GemmBackend& backend, const Kind& kind, const Case& c,
           DType dtype) {
  OpRunner runner(table, c.m % 2 == 0 ? 1 : 3);
  const auto rows = RandomCodes::make(kind, c.n, c.k);
  GemmProblem problem{.dtype = dtype, .output_dtype = dtype, .n = c.n, .k = c.k};
  problem.weights = WeightFormat::kCodes;
  problem.codes = *rows->code_layout();
  problem.bias = true;
  problem.activation = c.k % 2 == 0 ? Activation::kNone : Activation::kSilu;
  if (!backend.refusal(problem, runner.device(), table).empty()) return;
  SCOPED_TRACE(fmt::format("{} on {}/{}: {} x {} x {}, {} bits in groups of {}", backend.name,
                           table.device_kind, table.name, c.m, c.n, c.k, kind.bits,
                           kind.group_size));
  Random random(3);
  const HostTensor x = random.normal(Shape({c.m, c.k}), dtype);
  const HostTensor residual = random.normal(Shape({c.m, c.n}), dtype);
  const HostTensor bias = random.normal(Shape({c.n}), DType::kF32);
  std::vector<float> bias_values(bias.values.begin(), bias.values.end());
  GemmWeights weights{.weight = rows->view()};
  weights.bias = TensorView::contiguous(bias_values.data(), DType::kF32, {c.n});
  const GemmArgs args{
      .x = runner.upload(x), .residual = runner.upload(residual), .y = runner.upload(residual)};
  const std::vector<double> coded = product_of(runner, backend, problem, weights, args);

  // The same as f32 weights, to the bit; as bf16 ones where those are multiplied.
  const bool multiplies_bf16 =
      backend.name == "tiled" && std::string_view(table.name).ends_with("_bf16");
  std::vector<float> numbers(static_cast<size_t>(c.n * c.k));
  read_f32(rows->view(), numbers.data());
  GemmProblem plain = problem;
  plain.weights = WeightFormat::kDType;
  if (!multiplies_bf16) plain.dtype = DType::kF32;
  weights.weight = TensorView::contiguous(numbers.data(), DType::kF32, {c.n, c.k});
  HostTensor widened = x;
  widened.dtype = plain.dtype;
  GemmArgs plain_args = args;
  plain_args.x = runner.upload(widened);
  EXPECT_EQ(coded, product_of(runner, backend, plain, weights, plain_args));
}

TEST(CodedGemm, HasTheBitsOfTheNumbers) {
  for (const OpTable* table : runnable_tables()) {
    for (const GemmBackend& backend : gemm_backends()) {
      for (const Kind& kind : kKinds) {
        for (const Case& c : kCases) {
          check(*table, backend, kind, c, c.n % 2 == 0 ? DType::kF32 : DType::kBF16);
          if (testing::Test::HasFailure()) return;
        }
      }
    }
  }
}

TEST(CodedGemm, RowsHaveTheSameBitsWhateverTheBatch) {
  const OpTable& table = *choose_op_table("cpu").value();
  OpRunner runner(table, 2);
  const auto rows = RandomCodes::make(kKinds[1], 40, 900);  // several stretches of k
  GemmProblem problem{.n = 40, .k = 900, .weights = WeightFormat::kCodes};
  problem.codes = *rows->code_layout();
  const auto product =
      create_gemm(problem, {.weight = rows->view()}, runner.device(), table).value();
  Random random(4);
  const TensorView x = runner.upload(random.normal(Shape({200, 900}), DType::kF32));
  const TensorView y = runner.upload(random.normal(Shape({200, 40}), DType::kF32));
  OpContext context = runner.context();
  gemm(context, *product, {.x = x, .y = y});
  const std::vector<double> all = runner.download(y);
  for (const int64_t count : {1, 2, 5, 7, 30, 145}) {
    const int64_t begin = 200 - count;
    gemm(context, *product, {.x = x.slice_rows(begin, count), .y = y.slice_rows(0, count)});
    EXPECT_EQ(runner.download(y.slice_rows(0, count)),
              std::vector<double>(all.begin() + begin * 40, all.end()));
  }
}

TEST(CodedGemm, TakesTheMemoryThatItPlans) {
  const OpTable& table = *choose_op_table("cpu").value();
  OpRunner runner(table, 1);
  for (const Kind& kind : kKinds) {
    const auto rows = RandomCodes::make(kind, 96, 2048);
    GemmProblem problem{.n = 96, .k = 2048, .weights = WeightFormat::kCodes};
    problem.codes = *rows->code_layout();
    const auto product =
        create_gemm(problem, {.weight = rows->view()}, runner.device(), table).value();
    const auto planned = static_cast<double>(packed_bytes(problem));
    EXPECT_NEAR(static_cast<double>(product->weight_bytes()), planned, 0.02 * planned);
  }
}

}  // namespace
}  // namespace wde::ops::test
