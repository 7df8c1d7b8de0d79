// Sequences that continue one that is in the batch once have the bits that they have where each
// begins with its tokens.
#include <algorithm>
#include <cmath>
#include <span>

#include "problem_kinds.h"
#include "ragged_case.h"

namespace wde::attention {
namespace {

using test::cpu_tables;
using test::RaggedCase;

// A group of texts: so many tokens that all begin with, then each one's own.
struct Group {
  int shared;
  std::vector<int> own;
};

const std::vector<Group>& groups() {
  static const std::vector<Group> kGroups = {
      {32, {1, 7, 33}}, {96, {54, 1, 40, 130}}, {0, {17, 250}}, {128, {5, 64}}, {288, {300, 2}}};
  return kGroups;
}

// Every text with all of its tokens, and every shared prefix once, with the same rows.
struct Cases {
  explicit Cases(const AttentionProblem& problem) : plain(problem, plain_lengths()) {
    std::vector<int> lengths;
    std::vector<int32_t> continues;
    std::vector<int64_t> sources;  // the rows of `plain` that are those of `shared`
    int64_t row = 0;
    for (const Group& group : groups()) {
      const auto prefix = static_cast<int32_t>(lengths.size());
      const int64_t prefix_row = row;
      const auto add = [&](int64_t first, int length, int32_t before) {
        lengths.push_back(length);
        continues.push_back(before);
        for (int64_t i = 0; i < length; ++i) sources.push_back(first + i);
      };
      if (group.shared > 0) add(prefix_row, group.shared, -1);
      for (const int own : group.own) {
        for (int64_t i = 0; i < group.shared; ++i) {
          std::copy_n(plain.row(prefix_row + i), plain.qkv_columns(), plain.row(row + i));
        }
        add(row + group.shared, own, group.shared > 0 ? prefix : -1);
        row += group.shared + own;
      }
    }
    shared.emplace(problem, lengths);
    for (size_t i = 0; i < sources.size(); ++i) {
      std::copy_n(plain.row(sources[i]), plain.qkv_columns(), shared->row(static_cast<int64_t>(i)));
    }
    shared->continue_sequences(continues);
    rows = std::move(sources);
  }

  static std::vector<int> plain_lengths() {
    std::vector<int> lengths;
    for (const Group& group : groups()) {
      for (const int own : group.own) lengths.push_back(group.shared + own);
    }
    return lengths;
  }

  RaggedCase plain;
  std::optional<RaggedCase> shared;
  std::vector<int64_t> rows;  // of `plain`, by row of `shared`
};

// The first row of `shared` whose bits are not those of `plain`; -1: none.
int64_t first_difference(const Cases& cases, const std::vector<float>& plain,
                         const std::vector<float>& shared) {
  const auto columns = static_cast<size_t>(cases.plain.query_columns());
  for (size_t i = 0; i < cases.rows.size(); ++i) {
    const float* expected = plain.data() + static_cast<size_t>(cases.rows[i]) * columns;
    const float* actual = shared.data() + i * columns;
    if (std::memcmp(expected, actual, columns * sizeof(float)) != 0) return static_cast<int64_t>(i);
  }
  return -1;
}

void expect_same_bits(const AttentionProblem& problem) {
  const auto device = create_cpu_device();
  const Cases cases(problem);
  for (const ops::OpTableEntry* entry : cpu_tables()) {
    if (!entry->refusal().empty()) continue;
    for (const AttentionBackend& backend : attention_backends()) {
      if (!backend.refusal(problem, *device, entry->table()).empty()) continue;
      SCOPED_TRACE(std::string(backend.name) + " on " + std::string(entry->name));
      const std::vector<float> plain = cases.plain.run(backend.name, entry->table());
      EXPECT_EQ(first_difference(cases, plain, cases.shared->run(backend.name, entry->table())),
                -1);
      ThreadPool pool(3);
      EXPECT_EQ(
          first_difference(cases, plain, cases.shared->run(backend.name, entry->table(), &pool)),
          -1);
    }
  }
}

class SharedPrefix : public testing::TestWithParam<DType> {
 protected:
  static AttentionProblem problem(int heads, int kv_heads, int head_size) {
    return {.dtype = GetParam(),
            .heads = heads,
            .kv_heads = kv_heads,
            .head_size = head_size,
            .mask = MaskKind::kCausal,
            .scale = 1.0f / std::sqrt(static_cast<float>(head_size))};
  }
};

TEST_P(SharedPrefix, HasTheBitsOfEveryTextAlone) {
  expect_same_bits(problem(4, 2, 32));
  expect_same_bits(problem(3, 1, 40));
}

TEST_P(SharedPrefix, ReachesAcrossWindows) {
  for (const int window : {0, 20, 31, 64, 129}) {
    SCOPED_TRACE(window);
    AttentionProblem windowed = problem(2, 1, 16);
    windowed.window_left = window;
    expect_same_bits(windowed);
  }
}

TEST_P(SharedPrefix, KnowsEveryTermOfAScore) {
  test::ProblemTables tables;
  AttentionProblem everything = problem(2, 2, 24);
  everything.softcap = 4.0f;
  tables.add_distance_bias(everything, 40);
  tables.add_disentangled(everything, test::ProblemTables::log_buckets(20, 90));
  expect_same_bits(everything);
}

INSTANTIATE_TEST_SUITE_P(Precisions, SharedPrefix, testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

TEST(SharedPrefixDeath, NeedsACausalMaskAndWholeUnits) {
  AttentionProblem problem = {.heads = 1, .kv_heads = 1, .head_size = 8};
  RaggedCase bidirectional(problem, {32, 4});
  bidirectional.continue_sequences({-1, 0});
  const auto& table = cpu_tables().back()->table();
  EXPECT_DEATH(bidirectional.run("naive", table), "kCausal");
  problem.mask = MaskKind::kCausal;
  RaggedCase odd(problem, {31, 4});
  odd.continue_sequences({-1, 0});
  EXPECT_DEATH(odd.run("naive", table), "kQueryBlock");
}

}  // namespace
}  // namespace wde::attention
