// A range of a sequence's queries has the bits that it has among all of them, whatever the range,
// and nothing else is written.
#include <cmath>
#include <tuple>

#include "ops/profile.h"
#include "problem_kinds.h"
#include "ragged_case.h"

namespace wde::attention {
namespace {

using test::cpu_tables;
using test::RaggedCase;

constexpr int64_t kBlock = kQueryBlock;

// Of a sequence of so many tokens: whole blocks, its end, more than one of flash's chunks.
std::vector<TokenRange> ranges_of(int64_t tokens) {
  std::vector<TokenRange> ranges = {{0, tokens}};
  for (const TokenRange& range :
       {TokenRange{0, kBlock}, TokenRange{kBlock, 4 * kBlock}, TokenRange{3 * kBlock, tokens},
        TokenRange{kBlock, 9 * kBlock}, TokenRange{(tokens - 1) / kBlock * kBlock, tokens}}) {
    if (range.begin < range.end && range.end <= tokens) ranges.push_back(range);
  }
  return ranges;
}

void expect_the_rows_of_the_whole(const RaggedCase& whole, std::string_view backend,
                                  const ops::OpTable& ops) {
  const std::vector<float> all = whole.run(backend, ops);
  const int64_t columns = whole.query_columns();
  ThreadPool pool(3);
  for (const TokenRange& range : ranges_of(whole.tokens())) {
    RaggedCase part = whole;
    part.ask_only(range);
    const std::vector<float> expected(all.begin() + range.begin * columns,
                                      all.begin() + range.end * columns);
    const std::vector<float> rows = part.run(backend, ops, &pool);
    ASSERT_EQ(rows.size(), expected.size());
    EXPECT_EQ(std::memcmp(rows.data(), expected.data(), rows.size() * sizeof(float)), 0)
        << "queries " << range.begin << " to " << range.end << " of " << whole.tokens();
  }
}

void expect_for_every_backend(const RaggedCase& whole) {
  const auto device = create_cpu_device();
  for (const ops::OpTableEntry* entry : cpu_tables()) {
    if (!entry->refusal().empty()) continue;
    for (const AttentionBackend& backend : attention_backends()) {
      if (!backend.refusal(whole.problem(), *device, entry->table()).empty()) continue;
      SCOPED_TRACE(std::string(backend.name) + " on " + std::string(entry->name));
      expect_the_rows_of_the_whole(whole, backend.name, entry->table());
    }
  }
}

using Parameters = std::tuple<DType, MaskKind>;

class QueryRange : public testing::TestWithParam<Parameters> {
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

TEST_P(QueryRange, HasTheBitsOfTheWhole) {
  for (const int tokens : {1, 32, 45, 130, 420}) {
    expect_for_every_backend(RaggedCase(problem(4, 2, 32), {tokens}, 3));
  }
  expect_for_every_backend(RaggedCase(problem(3, 3, 40), {333}, 4));
}

TEST_P(QueryRange, KnowsEveryKindOfScore) {
  test::ProblemTables tables;
  for (const test::ProblemKind& kind : test::problem_kinds()) {
    SCOPED_TRACE(kind.name);
    AttentionProblem changed = problem(2, 1, 12);
    kind.apply(changed, tables);
    expect_for_every_backend(RaggedCase(changed, {333}, 6));
  }
}

TEST_P(QueryRange, KnowsTokensThatOnlyAsk) {
  RaggedCase expanded(problem(2, 2, 32), {300}, 7);
  expanded.limit_keys({100});
  expect_for_every_backend(expanded);
}

INSTANTIATE_TEST_SUITE_P(
    All, QueryRange,
    testing::Combine(testing::Values(DType::kF32, DType::kBF16),
                     testing::Values(MaskKind::kBidirectional, MaskKind::kCausal)),
    [](const auto& instance) {
      return std::string(dtype_name(std::get<0>(instance.param))) +
             (std::get<1>(instance.param) == MaskKind::kCausal ? "_causal" : "_bidirectional");
    });

// A chunk's products are those of its own queries; the chunks of a text add up to the whole.
TEST(QueryRangeWork, AddsUpToTheWhole) {
  const auto& table = cpu_tables().back()->table();
  AttentionProblem problem = {.heads = 4, .kv_heads = 2, .head_size = 8, .mask = MaskKind::kCausal};
  problem.window_left = 50;
  const auto flops_of = [&](TokenRange queries) {
    RaggedCase c(problem, {300});
    c.ask_only(queries);
    ops::Profile profile;
    c.run("naive", table, nullptr, &profile);
    return profile.take().front().work.flops;
  };
  EXPECT_EQ(flops_of({0, 32}), 4.0 * (32 * 33 / 2) * 4 * 8);
  EXPECT_EQ(flops_of({0, 96}) + flops_of({96, 300}), flops_of({}));
}

TEST(QueryRangeDeath, IsOfOneSequenceAndOfWholeBlocks) {
  const AttentionProblem problem = {.heads = 1, .kv_heads = 1, .head_size = 8};
  const auto& table = cpu_tables().back()->table();
  RaggedCase odd(problem, {100});
  odd.ask_only({31, 100});
  EXPECT_DEATH(odd.run("naive", table), "kQueryBlock");
  odd.ask_only({0, 33});
  EXPECT_DEATH(odd.run("naive", table), "kQueryBlock");
  odd.ask_only({96, 128});
  EXPECT_DEATH(odd.run("naive", table), "tokens");
  RaggedCase two(problem, {64, 64});
  two.ask_only({32, 64});
  EXPECT_DEATH(two.run("naive", table), "cu_seqlens");
}

}  // namespace
}  // namespace wde::attention
