// Every backend on every instruction set, dtype, mask and hostile shape, against an fp64 oracle.
#include <cmath>
#include <tuple>

#include "problem_kinds.h"
#include "ragged_case.h"

namespace wde::attention {
namespace {

using test::cpu_tables;
using test::max_error;
using test::problem_kinds;
using test::ProblemKind;
using test::ProblemTables;
using test::RaggedCase;

// Allowed: `naive_factor` times the error of "naive" in the same dtype, plus a floor relative to
// the largest |v|. naive sums in fp64, so in f32 its error is a few roundings; flash sums up to 513
// terms in f32, which the floor covers. Where pairs of bf16 are multiplied, probabilities are
// rounded to bf16, which moves a result by 2^-9 of the largest |v| at most.
struct Tolerance {
  DType dtype;
  double naive_factor;
  double floor;
};
constexpr Tolerance kTolerances[] = {{DType::kF32, 4, 1e-6}, {DType::kBF16, 1, 1e-6}};

constexpr double kRoundedProbabilities = 0x1p-9;

double allowed_error(const RaggedCase& c, const ops::OpTable& table, double naive_error) {
  double largest = 0;
  for (int64_t t = 0; t < c.tokens(); ++t) {
    for (int64_t i = c.query_columns() + c.key_columns(); i < c.qkv_columns(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(c.row(t)[i])));
    }
  }
  for (const Tolerance& tolerance : kTolerances) {
    if (tolerance.dtype == c.problem().dtype) {
      const bool rounded = table.native_bf16 && tolerance.dtype == DType::kBF16;
      const double floor = rounded ? kRoundedProbabilities : tolerance.floor;
      return tolerance.naive_factor * naive_error + floor * largest;
    }
  }
  return 0;
}

AttentionProblem problem_of(DType dtype, MaskKind mask, int heads, int kv_heads, int head_size) {
  return {.dtype = dtype,
          .heads = heads,
          .kv_heads = kv_heads,
          .head_size = head_size,
          .mask = mask,
          .scale = 1.0f / std::sqrt(static_cast<float>(head_size))};
}

// Every backend that takes the case, on every table that this machine runs.
void expect_parity(const RaggedCase& c) {
  const std::vector<double> expected = c.oracle();
  const auto device = create_cpu_device();
  const ops::OpTable& reference = *ops::choose_op_table("cpu", "reference").value();
  const std::vector<float> naive = c.run("naive", reference);
  const double naive_error = max_error(naive, expected);
  EXPECT_LE(naive_error, c.problem().dtype == DType::kF32 ? 2e-6 : 2e-2);
  for (const ops::OpTableEntry* entry : cpu_tables()) {
    if (!entry->refusal().empty()) continue;
    for (const AttentionBackend& backend : attention_backends()) {
      if (backend.name == "naive") continue;
      if (!backend.refusal(c.problem(), *device, entry->table()).empty()) continue;
      SCOPED_TRACE(std::string(backend.name) + " on " + std::string(entry->name));
      const std::vector<float> actual = c.run(backend.name, entry->table());
      EXPECT_LE(max_error(actual, expected), allowed_error(c, entry->table(), naive_error));
      if (c.problem().dtype == DType::kF32) {
        EXPECT_LE(max_error(actual, {naive.begin(), naive.end()}), 1e-5);
      }
    }
  }
}

using Parameters = std::tuple<DType, MaskKind, int>;

class Parity : public testing::TestWithParam<Parameters> {
 protected:
  AttentionProblem problem(int heads, int kv_heads) const {
    const auto [dtype, mask, head_size] = GetParam();
    return problem_of(dtype, mask, heads, kv_heads, head_size);
  }
};

std::string case_name(const testing::TestParamInfo<Parameters>& instance) {
  const auto [dtype, mask, head_size] = instance.param;
  return std::string(dtype_name(dtype)) +
         (mask == MaskKind::kCausal ? "_causal_D" : "_bidirectional_D") + std::to_string(head_size);
}

const auto kDTypes = testing::Values(DType::kF32, DType::kBF16);
const auto kMasks = testing::Values(MaskKind::kBidirectional, MaskKind::kCausal);

TEST_P(Parity, ShortRaggedBatch) {
  expect_parity(RaggedCase(problem(2, 2), {0, 1, 2, 3, 7, 0, 8, 15, 16, 17, 31, 33, 0}));
}

TEST_P(Parity, AroundTheTileSizes) {
  expect_parity(RaggedCase(problem(1, 1), {63, 64, 65, 100, 127, 128, 129}));
}

TEST_P(Parity, OneSequenceOfEachShortLength) {
  for (const int length : {1, 2, 3, 7, 8, 15, 16, 17, 31, 33}) {
    SCOPED_TRACE(length);
    expect_parity(RaggedCase(problem(3, 3), {length}));
  }
}

TEST_P(Parity, GroupedQueries) {
  expect_parity(RaggedCase(problem(4, 2), {5, 130, 17}));
  expect_parity(RaggedCase(problem(3, 1), {1, 40}));
  expect_parity(RaggedCase(problem(12, 4), {14}));
  expect_parity(RaggedCase(problem(12, 12), {14, 9}));
}

TEST_P(Parity, AlignedAndContiguous) {
  expect_parity(RaggedCase(problem(2, 2), {20, 70}, 5, 1.0f, {.offset = 0, .gap = 0}));
}

TEST_P(Parity, OnlyALeadingPartAreKeys) {
  RaggedCase c(problem(2, 1), {1, 2, 0, 7, 33, 32, 64, 130, 257});
  c.limit_keys({1, 1, 0, 3, 20, 32, 1, 129, 100});
  expect_parity(c);
}

TEST_P(Parity, EmptyBatch) {
  expect_parity(RaggedCase(problem(2, 1), {}));
  expect_parity(RaggedCase(problem(2, 1), {0}));
  expect_parity(RaggedCase(problem(2, 1), {0, 0, 0}));
}

INSTANTIATE_TEST_SUITE_P(HeadSizes, Parity,
                         testing::Combine(kDTypes, kMasks,
                                          testing::Values(1, 5, 8, 16, 24, 32, 40, 64, 80, 128, 255,
                                                          256)),
                         case_name);

class LongParity : public Parity {};

TEST_P(LongParity, LongRaggedBatch) {
  expect_parity(RaggedCase(problem(1, 1), {200, 511, 512, 513}));
}

INSTANTIATE_TEST_SUITE_P(HeadSizes, LongParity,
                         testing::Combine(kDTypes, kMasks, testing::Values(32, 64, 80)), case_name);

// Whatever a score may have beside q·k, over hostile shapes.
class KindParity : public testing::TestWithParam<std::tuple<size_t, DType, MaskKind>> {
 protected:
  AttentionProblem problem(int heads, int kv_heads, int head_size) {
    const auto [kind, dtype, mask] = GetParam();
    AttentionProblem problem = problem_of(dtype, mask, heads, kv_heads, head_size);
    problem_kinds()[kind].apply(problem, tables_);
    return problem;
  }

 private:
  ProblemTables tables_;
};

TEST_P(KindParity, ShortRaggedBatch) {
  expect_parity(RaggedCase(problem(2, 2, 32), {0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 0}));
}

TEST_P(KindParity, GroupedQueries) {
  expect_parity(RaggedCase(problem(4, 2, 16), {5, 130, 17}));
  expect_parity(RaggedCase(problem(3, 1, 40), {1, 40, 129}));
}

TEST_P(KindParity, HeadSizes) {
  for (const int head_size : {1, 5, 24, 80, 255, 256}) {
    SCOPED_TRACE(head_size);
    expect_parity(RaggedCase(problem(1, 1, head_size), {1, 50}));
  }
}

TEST_P(KindParity, LongerThanATile) {
  expect_parity(RaggedCase(problem(2, 1, 8), {127, 128, 257}));
  expect_parity(RaggedCase(problem(1, 1, 16), {513}));
}

std::string kind_case_name(const testing::TestParamInfo<KindParity::ParamType>& instance) {
  const auto [kind, dtype, mask] = instance.param;
  return std::string(problem_kinds()[kind].name) + "_" + std::string(dtype_name(dtype)) +
         (mask == MaskKind::kCausal ? "_causal" : "_bidirectional");
}

INSTANTIATE_TEST_SUITE_P(Kinds, KindParity,
                         testing::Combine(testing::Range(size_t{0}, problem_kinds().size()),
                                          kDTypes, kMasks),
                         kind_case_name);

class Scores : public testing::TestWithParam<MaskKind> {};

// Differences of scores of thousands: exponentials under- and would, without the maximum, overflow.
TEST_P(Scores, LargeOnesStayFinite) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    const AttentionProblem problem = problem_of(dtype, GetParam(), 2, 2, 32);
    const RaggedCase c(problem, {3, 64, 300}, 7, 40.0f);
    const std::vector<double> expected = c.oracle();
    // A score near 10^4 has an error near 10^-3, and so has the exponential; bf16 rounds the
    // result.
    const double allowed = 40.0 * (dtype == DType::kF32 ? 5e-3 : 2e-2);
    const RaggedCase larger(problem, {3, 64, 300}, 7, 4000.0f);  // scores near 10^8
    const std::vector<double> zeros(expected.size());
    for (const ops::OpTableEntry* entry : cpu_tables()) {
      if (!entry->refusal().empty() || entry->name == "reference") continue;
      SCOPED_TRACE(entry->name);
      EXPECT_LE(max_error(c.run("flash", entry->table()), expected), allowed);
      // No mean of values is larger than all of them.
      EXPECT_LE(max_error(larger.run("flash", entry->table()), zeros), 4000.0 * 6);
    }
  }
}

// Keys hidden by the mask have far larger scores than the visible ones, in every tile.
TEST_P(Scores, HiddenOnesDoNotCount) {
  const AttentionProblem problem = problem_of(DType::kF32, GetParam(), 1, 1, 32);
  RaggedCase c(problem, {400}, 8);
  for (int64_t t = 0; t < c.tokens(); ++t) {
    for (int64_t d = 0; d < 32; ++d) {
      c.row(t)[d] = 1.0f;                                // q
      c.row(t)[32 + d] = static_cast<float>(t) * 0.25f;  // k: later keys score higher
    }
  }
  const std::vector<double> expected = c.oracle();
  for (const ops::OpTableEntry* entry : cpu_tables()) {
    if (!entry->refusal().empty() || entry->name == "reference") continue;
    SCOPED_TRACE(entry->name);
    EXPECT_LE(max_error(c.run("flash", entry->table()), expected), 5e-4);
  }
}

TEST_P(Scores, EqualOnesGiveTheMean) {
  const AttentionProblem problem = problem_of(DType::kF32, GetParam(), 1, 1, 16);
  RaggedCase c(problem, {1, 150}, 9);
  for (int64_t t = 0; t < c.tokens(); ++t) {
    for (int64_t d = 0; d < 16; ++d) c.row(t)[d] = 0.0f;
  }
  for (const ops::OpTableEntry* entry : cpu_tables()) {
    if (!entry->refusal().empty() || entry->name == "reference") continue;
    const std::vector<float> out = c.run("flash", entry->table());
    for (size_t d = 0; d < 16; ++d) {
      EXPECT_EQ(out[d], c.row(0)[32 + d]) << "a lone token returns its own value";
    }
    EXPECT_LE(max_error(out, c.oracle()), 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Masks, Scores, kMasks, [](const auto& instance) {
  return instance.param == MaskKind::kCausal ? "causal" : "bidirectional";
});

TEST(InstructionSets, AbsentOnesAreSkippedAloud) {
  std::string absent;
  for (const ops::OpTableEntry* entry : cpu_tables()) {
    const std::string refusal = entry->refusal();
    if (!refusal.empty()) absent += std::string(entry->name) + ": " + refusal + "; ";
  }
  if (!absent.empty()) GTEST_SKIP() << "skipped: " << absent;
}

}  // namespace
}  // namespace wde::attention
