#include "retrieval/score_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "retrieval/vector_store.h"
#include "vectors.h"

namespace wde::retrieval {
namespace {

using test::random_vectors;
using test::runnable_isas;

constexpr VectorStorage kStorages[] = {VectorStorage::kF32, VectorStorage::kBF16,
                                       VectorStorage::kInt8};
constexpr Similarity kSimilarities[] = {Similarity::kCosine, Similarity::kDot,
                                        Similarity::kEuclidean, Similarity::kManhattan};

std::vector<float> scores_of(const VectorIndex& index, std::span<const float> queries) {
  return index.scores(queries).value();
}

struct ParityCase {
  int64_t rows;
  int64_t queries;
  int64_t columns;
};

// Sums of `columns` rounded products: each at most half an epsilon of the sum of their sizes.
double tolerance(int64_t columns) {
  return 4 * std::numeric_limits<float>::epsilon() * static_cast<double>(columns);
}

TEST(ScoreKernels, EveryInstructionSetComputesWhatPlainLoopsDo) {
  for (const std::string& isa : runnable_isas()) {
    for (const ParityCase& c : {ParityCase{1, 1, 1}, ParityCase{9, 3, 7}, ParityCase{17, 5, 33},
                                ParityCase{70, 4, 384}, ParityCase{5, 65, 129}}) {
      const std::vector<float> rows = random_vectors(c.rows, c.columns, 1);
      const std::vector<float> queries = random_vectors(c.queries, c.columns, 2);
      for (const VectorStorage storage : kStorages) {
        for (const Similarity similarity : kSimilarities) {
          IndexOptions options{.similarity = similarity, .storage = storage, .threads = 2};
          options.isa = "reference";
          const auto expected =
              scores_of(*VectorIndex::create(rows, c.columns, options).value(), queries);
          options.isa = isa;
          const auto found =
              scores_of(*VectorIndex::create(rows, c.columns, options).value(), queries);
          ASSERT_EQ(found.size(), expected.size());
          for (size_t i = 0; i < found.size(); ++i) {
            ASSERT_NEAR(found[i], expected[i], tolerance(c.columns) * (1 + std::abs(expected[i])))
                << isa << " storage " << static_cast<int>(storage) << " "
                << similarity_name(similarity) << " " << c.rows << "x" << c.columns << " at " << i;
          }
        }
      }
    }
  }
}

// The same bits in a tile, left over, and alone.
TEST(ScoreKernels, AScoreDependsOnItsTwoVectorsAlone) {
  constexpr int64_t kRows = 23, kQueries = 7, kColumns = 45;
  const std::vector<float> rows = random_vectors(kRows, kColumns, 3);
  const std::vector<float> queries = random_vectors(kQueries, kColumns, 4);
  for (const std::string& isa : runnable_isas()) {
    const ScoreKernel kernel = score_kernel(isa, VectorStorage::kF32, Reduction::kDot);
    ASSERT_NE(kernel, nullptr) << isa;
    std::vector<float> together(kRows * kQueries);
    kernel({.rows = {.data = rows.data(), .count = kRows, .columns = kColumns},
            .queries = queries.data(),
            .query_count = kQueries,
            .out = together.data()});
    for (int64_t query = 0; query < kQueries; ++query) {
      for (int64_t row = 0; row < kRows; ++row) {
        float alone = 0;
        kernel({.rows = {.data = rows.data() + row * kColumns, .count = 1, .columns = kColumns},
                .queries = queries.data() + query * kColumns,
                .query_count = 1,
                .out = &alone});
        ASSERT_EQ(alone, together[static_cast<size_t>(query * kRows + row)]) << isa;
      }
    }
  }
}

TEST(ScoreKernels, UnknownInstructionSetsHaveNone) {
  EXPECT_EQ(score_kernel("mmx", VectorStorage::kF32, Reduction::kDot), nullptr);
}

}  // namespace
}  // namespace wde::retrieval
