// A sequence's rows have the same bits alone, in any batch, at any place in it, on any number of
// threads.
#include <algorithm>
#include <cmath>
#include <tuple>

#include "problem_kinds.h"
#include "ragged_case.h"

namespace wde::attention {
namespace {

using test::cpu_tables;
using test::RaggedCase;

using Parameters = std::tuple<DType, MaskKind>;

class BatchInvariance : public testing::TestWithParam<Parameters> {
 protected:
  static AttentionProblem problem(int heads, int kv_heads, int head_size) {
    const auto [dtype, mask] = GetParam();
    return {.dtype = dtype,
            .heads = heads,
            .kv_heads = kv_heads,
            .head_size = head_size,
            .mask = mask,
            .scale = 1.0f / std::sqrt(static_cast<float>(head_size))};
  }
};

// The rows of sequence b of `c` within `out`.
std::vector<float> rows_of(const RaggedCase& c, const std::vector<float>& out, size_t b) {
  const int64_t columns = c.query_columns();
  return {out.begin() + c.cu_seqlens()[b] * columns, out.begin() + c.cu_seqlens()[b + 1] * columns};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

void expect_invariant(const RaggedCase& c, std::string_view backend, const ops::OpTable& ops) {
  const std::vector<float> together = c.run(backend, ops);
  const size_t sequences = c.cu_seqlens().size() - 1;
  std::vector<size_t> reversed(sequences);
  for (size_t b = 0; b < sequences; ++b) {
    reversed[b] = sequences - 1 - b;
    const RaggedCase alone = c.pick({b});
    EXPECT_TRUE(same_bits(alone.run(backend, ops), rows_of(c, together, b))) << "sequence " << b;
  }
  const RaggedCase backwards = c.pick(reversed);
  const std::vector<float> out = backwards.run(backend, ops);
  for (size_t b = 0; b < sequences; ++b) {
    EXPECT_TRUE(same_bits(rows_of(backwards, out, reversed[b]), rows_of(c, together, b)));
  }
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    EXPECT_TRUE(same_bits(c.run(backend, ops, &pool), together)) << threads << " threads";
  }
}

TEST_P(BatchInvariance, EveryBackendAndInstructionSet) {
  const auto device = create_cpu_device();
  const RaggedCase cases[] = {
      RaggedCase(problem(4, 2, 32), {14, 1, 300, 0, 129, 17, 64, 3, 270}, 3),
      RaggedCase(problem(3, 3, 40), {33, 9, 130, 257}, 4),
  };
  for (const ops::OpTableEntry* entry : cpu_tables()) {
    if (!entry->refusal().empty()) continue;
    for (const AttentionBackend& backend : attention_backends()) {
      for (const RaggedCase& c : cases) {
        if (!backend.refusal(c.problem(), *device, entry->table()).empty()) continue;
        SCOPED_TRACE(std::string(backend.name) + " on " + std::string(entry->name));
        expect_invariant(c, backend.name, entry->table());
      }
    }
  }
}

// On every instruction set, by the backend that would be chosen there.
TEST_P(BatchInvariance, EveryKindOfScore) {
  test::ProblemTables tables;
  for (const test::ProblemKind& kind : test::problem_kinds()) {
    AttentionProblem changed = problem(2, 1, 12);
    kind.apply(changed, tables);
    const RaggedCase c(changed, {14, 260, 1, 0, 129, 33}, 6);
    for (const ops::OpTableEntry* entry : cpu_tables()) {
      if (!entry->refusal().empty()) continue;
      SCOPED_TRACE(std::string(kind.name) + " on " + std::string(entry->name));
      expect_invariant(c, {}, entry->table());
    }
  }
}

// Not even a sequence of NaN and infinities reaches its neighbours.
TEST_P(BatchInvariance, SequencesAreIsolated) {
  const RaggedCase clean(problem(2, 2, 32), {30, 140, 12}, 5);
  RaggedCase poisoned = clean;
  for (int64_t t = clean.cu_seqlens()[1]; t < clean.cu_seqlens()[2]; ++t) {
    for (int64_t i = 0; i < clean.qkv_columns(); ++i) {
      poisoned.row(t)[i] = i % 2 == 0 ? NAN : INFINITY;
    }
  }
  for (const ops::OpTableEntry* entry : cpu_tables()) {
    if (!entry->refusal().empty()) continue;
    const std::vector<float> expected = clean.run("", entry->table());
    const std::vector<float> actual = poisoned.run("", entry->table());
    EXPECT_TRUE(same_bits(rows_of(clean, expected, 0), rows_of(clean, actual, 0)));
    EXPECT_TRUE(same_bits(rows_of(clean, expected, 2), rows_of(clean, actual, 2)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, BatchInvariance,
    testing::Combine(testing::Values(DType::kF32, DType::kBF16),
                     testing::Values(MaskKind::kBidirectional, MaskKind::kCausal)),
    [](const auto& instance) {
      return std::string(dtype_name(std::get<0>(instance.param))) +
             (std::get<1>(instance.param) == MaskKind::kCausal ? "_causal" : "_bidirectional");
    });

}  // namespace
}  // namespace wde::attention
