// The worked example of docs/adding-an-attention-backend.md keeps the contract.
#include "example_backend.h"

#include <cmath>

#include "problem_kinds.h"
#include "ragged_case.h"

namespace wde::attention {
namespace {

using example::kOnePass;
using test::RaggedCase;

const ops::OpTable& table() { return *ops::choose_op_table("cpu", "reference").value(); }

AttentionProblem problem_of(const test::ProblemKind& kind, test::ProblemTables& tables) {
  AttentionProblem problem{.heads = 4, .kv_heads = 2, .head_size = 20, .scale = 0.2f};
  kind.apply(problem, tables);
  return problem;
}

TEST(ExampleBackend, GivesWhatNaiveGives) {
  const auto device = create_cpu_device();
  test::ProblemTables tables;
  int taken = 0;
  for (const test::ProblemKind& kind : test::problem_kinds()) {
    for (const MaskKind mask : {MaskKind::kBidirectional, MaskKind::kCausal}) {
      AttentionProblem problem = problem_of(kind, tables);
      problem.mask = mask;
      if (!kOnePass.refusal(problem, *device, table()).empty()) continue;
      ++taken;
      const RaggedCase c(problem, {5, 0, 1, 140, 33});
      const std::vector<float> expected = c.run("naive", table());
      const std::vector<float> actual = c.run(*kOnePass.create(problem, table()), table());
      EXPECT_LE(test::max_error(actual, {expected.begin(), expected.end()}), 1e-5) << kind.name;
      ThreadPool pool(3);
      EXPECT_EQ(c.run(*kOnePass.create(problem, table()), table(), &pool), actual) << kind.name;
    }
  }
  EXPECT_EQ(taken, 18);  // plain and eight windows
}

TEST(ExampleBackend, ComputesARangeOfQueries) {
  test::ProblemTables tables;
  const AttentionProblem problem = problem_of(test::problem_kinds().front(), tables);
  RaggedCase c(problem, {140});
  const std::vector<float> all = c.run(*kOnePass.create(problem, table()), table());
  c.ask_only({64, 140});
  EXPECT_EQ(c.run(*kOnePass.create(problem, table()), table()),
            std::vector<float>(all.begin() + 64 * c.query_columns(), all.end()));
}

TEST(ExampleBackend, RefusesWhatItDoesNotCompute) {
  const auto device = create_cpu_device();
  test::ProblemTables tables;
  for (const test::ProblemKind& kind : test::problem_kinds()) {
    const AttentionProblem problem = problem_of(kind, tables);
    const bool has_terms =
        problem.has_distance_bias() || problem.disentangled || problem.softcap > 0;
    EXPECT_EQ(kOnePass.refusal(problem, *device, table()).empty(), !has_terms) << kind.name;
  }
  AttentionProblem problem = problem_of(test::problem_kinds().front(), tables);
  problem.dtype = DType::kBF16;
  EXPECT_EQ(kOnePass.refusal(problem, *device, table()), "it computes f32");
}

}  // namespace
}  // namespace wde::attention
