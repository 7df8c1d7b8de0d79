#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "retrieval/top_k.h"
#include "vectors.h"
#include "wde/retrieval.h"

namespace wde::retrieval {
namespace {

using test::random_vectors;
using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<VectorIndex> index_of(std::span<const float> vectors, int64_t columns,
                                      const IndexOptions& options = {}) {
  return VectorIndex::create(vectors, columns, options).value();
}

std::vector<Hit> sorted_hits(std::span<const float> scores, size_t count) {
  std::vector<Hit> hits;
  for (size_t i = 0; i < scores.size(); ++i) hits.push_back({static_cast<int64_t>(i), scores[i]});
  std::sort(hits.begin(), hits.end(), is_better);
  hits.resize(std::min(count, hits.size()));
  return hits;
}

// What sentence_transformers.util's four functions print for a = [[1, 2], [0, 0]], b = [[2, 1],
// [-1, 0]].
TEST(VectorIndex, ScoresAsSentenceTransformersDoes) {
  const std::vector<float> rows = {2, 1, -1, 0}, queries = {1, 2, 0, 0};
  const auto scores = [&](Similarity similarity) {
    return index_of(rows, 2, {.similarity = similarity})->scores(queries).value();
  };
  const auto near = [](std::vector<float> expected) {
    std::vector<testing::Matcher<float>> matchers;
    for (const float value : expected) matchers.push_back(testing::FloatNear(value, 1e-6f));
    return testing::ElementsAreArray(matchers);
  };
  EXPECT_THAT(scores(Similarity::kCosine), near({0.8f, -0.44721359f, 0, 0}));
  EXPECT_THAT(scores(Similarity::kDot), near({4, -1, 0, 0}));
  EXPECT_THAT(scores(Similarity::kEuclidean), near({-1.41421354f, -2.82842708f, -2.23606801f, -1}));
  EXPECT_THAT(scores(Similarity::kManhattan), near({-2, -4, -3, -1}));
}

TEST(VectorIndex, FindsTheTopKOfAllScores) {
  constexpr int64_t kColumns = 24, kRows = 5000;
  const std::vector<float> rows = random_vectors(kRows, kColumns, 1);
  const std::vector<float> queries = random_vectors(130, kColumns, 2);
  for (const int threads : {1, 3}) {
    const auto index = index_of(rows, kColumns, {.threads = threads});
    const std::vector<float> scores = index->scores(queries).value();
    const auto hits = index->search(queries, 10).value();
    ASSERT_EQ(hits.size(), 130U);
    for (size_t query = 0; query < hits.size(); ++query) {
      ASSERT_EQ(hits[query], sorted_hits(std::span(scores).subspan(query * kRows, kRows), 10))
          << "query " << query << ", " << threads << " threads";
    }
  }
}

TEST(VectorIndex, EqualScoresKeepTheRowsOrder) {
  const std::vector<float> rows(2000, 1.0f);
  const auto hits = index_of(rows, 2, {.threads = 3})->search(std::vector<float>{1, 1}, 3).value();
  ASSERT_EQ(hits.size(), 1U);
  EXPECT_EQ(hits[0][0].index, 0);
  EXPECT_EQ(hits[0][1].index, 1);
  EXPECT_EQ(hits[0][2].index, 2);
}

TEST(VectorIndex, SmallerStoragesStayClose) {
  constexpr int64_t kColumns = 128;
  const std::vector<float> rows = random_vectors(50, kColumns, 5);
  const std::vector<float> query = random_vectors(1, kColumns, 6);
  const std::vector<float> exact = index_of(rows, kColumns)->scores(query).value();
  for (const auto& [storage, most] :
       {std::pair{VectorStorage::kBF16, 2e-3f}, std::pair{VectorStorage::kInt8, 5e-3f}}) {
    const auto scores = index_of(rows, kColumns, {.storage = storage})->scores(query).value();
    float largest = 0;
    for (size_t i = 0; i < scores.size(); ++i)
      largest = std::max(largest, std::abs(scores[i] - exact[i]));
    EXPECT_LT(largest, most);
    EXPECT_GT(largest, 0);
  }
}

TEST(VectorIndex, EmptyIndexesAndQueriesGiveNothing) {
  const auto empty = index_of({}, 4);
  EXPECT_EQ(empty->rows(), 0);
  EXPECT_THAT(empty->search(std::vector<float>(8, 1.0f), 5).value(),
              ElementsAre(testing::IsEmpty(), testing::IsEmpty()));
  const std::vector<float> rows(8, 1.0f);
  EXPECT_THAT(index_of(rows, 4)->search({}, 5).value(), testing::IsEmpty());
  EXPECT_EQ(index_of(rows, 4)->search(std::vector<float>(4, 1.0f), 5).value()[0].size(), 2U);
}

// (1e38)^2 * 2 - (1e38)^2 * 2 in f32.
TEST(VectorIndex, AScoreThatIsNoNumberComesLast) {
  const std::vector<float> rows = {1e38f, 1e38f, -1, 1};
  const auto hits = index_of(rows, 2, {.similarity = Similarity::kDot})
                        ->search(std::vector<float>{1e38f, -1e38f}, 2)
                        .value();
  EXPECT_EQ(hits[0].size(), 2U);
  EXPECT_TRUE(std::none_of(hits[0].begin(), hits[0].end(),
                           [](const Hit& hit) { return std::isnan(hit.score); }));
}

void expect_invalid(const Status& status, const std::string& part) {
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.message();
  EXPECT_THAT(status.message(), HasSubstr(part));
}

TEST(VectorIndex, RefusesBadVectors) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  expect_invalid(VectorIndex::create(std::vector<float>{1, 2, 3, nan}, 2, {}).status(),
                 "row 1 holds NaN");
  expect_invalid(VectorIndex::create(std::vector<float>{-infinity, 2}, 2, {}).status(),
                 "row 0 holds NaN");
  expect_invalid(VectorIndex::create(std::vector<float>{1, 2, 3}, 2, {}).status(), "3 values");
  expect_invalid(VectorIndex::create({}, 0, {}).status(), "vectors of 0");
  expect_invalid(VectorIndex::create({}, 2, {.threads = -1}).status(), "threads");
  expect_invalid(VectorIndex::create({}, 2, {.isa = "mmx"}).status(), "mmx");
  const std::vector<float> rows = {1, 2};
  const auto index = index_of(rows, 2);
  expect_invalid(index->search(std::vector<float>{1}, 1).status(), "queries: 1 values");
  expect_invalid(index->search(std::vector<float>{1, nan}, 1).status(), "query 0 holds NaN");
  expect_invalid(index->search(std::vector<float>{1, 1}, 0).status(), "top_k");
}

TEST(Similarity, NamesGoBothWays) {
  for (const char* name : {"cosine", "dot", "euclidean", "manhattan"})
    EXPECT_EQ(similarity_name(parse_similarity(name).value()), name);
  expect_invalid(parse_similarity("cos").status(), "cosine, dot, euclidean, manhattan");
}

// --- Several vectors a document ---

TEST(MultiVectorIndex, SumsTheLargestProducts) {
  // Two documents of two and three vectors, one without any.
  const std::vector<float> vectors = {1, 0, 0, 1, 1, 1, -1, 0, 2, 0};
  const std::vector<int64_t> begins = {0, 2, 2, 5};
  const auto index = MultiVectorIndex::create(vectors, 2, begins, {}).value();
  EXPECT_EQ(index->documents(), 3);
  const std::vector<float> query = {1, 0, 0, 3};
  EXPECT_THAT(index->scores(query).value(),
              ElementsAre(1 + 3, MultiVectorIndex::kEmptyScore, 2 + 3));
  const auto hits = index->search(query, 2).value();
  EXPECT_THAT(hits, ElementsAre(Hit{2, 5}, Hit{0, 4}));
}

TEST(MultiVectorIndex, EqualsPlainLoops) {
  constexpr int64_t kColumns = 40;
  std::vector<int64_t> begins = {0};
  for (int64_t document = 0; document < 300; ++document)
    begins.push_back(begins.back() + document * 7 % 90);
  const std::vector<float> vectors = random_vectors(begins.back(), kColumns, 7);
  const std::vector<float> query = random_vectors(150, kColumns, 8);
  const auto scores = MultiVectorIndex::create(vectors, kColumns, begins, {.threads = 3})
                          .value()
                          ->scores(query)
                          .value();
  for (size_t document = 0; document + 1 < begins.size(); ++document) {
    if (begins[document] == begins[document + 1]) continue;
    double expected = 0;
    for (int64_t q = 0; q < 150; ++q) {
      double largest = -1e300;
      for (int64_t row = begins[document]; row < begins[document + 1]; ++row) {
        double product = 0;
        for (int64_t c = 0; c < kColumns; ++c)
          product += double{query[static_cast<size_t>(q * kColumns + c)]} *
                     vectors[static_cast<size_t>(row * kColumns + c)];
        largest = std::max(largest, product);
      }
      expected += largest;
    }
    ASSERT_NEAR(scores[document], expected, 1e-5 * std::abs(expected) + 1e-3) << document;
  }
}

TEST(MultiVectorIndex, RefusesBeginsThatLie) {
  const std::vector<float> vectors = {1, 0, 0, 1};
  for (const std::vector<int64_t>& begins :
       {std::vector<int64_t>{}, {0, 1}, {1, 2}, {0, 2, 1, 2}, {0, 3}}) {
    expect_invalid(MultiVectorIndex::create(vectors, 2, begins, {}).status(), "begins");
  }
  const auto none = MultiVectorIndex::create({}, 2, std::vector<int64_t>{0}, {}).value();
  EXPECT_THAT(none->search(std::vector<float>{1, 1}, 3).value(), testing::IsEmpty());
}

// --- Sparse ---

struct Sparse {
  std::vector<int32_t> indices;
  std::vector<float> values;
  operator SparseView() const { return {indices, values}; }  // NOLINT: implicit for the tests
};

TEST(SparseIndex, ScoresByCommonComponents) {
  const Sparse first{{1, 5}, {2, 1}}, second{}, third{{5, 9}, {4, 1}};
  const Sparse query{{1, 5, 1000}, {1, 0.5f, 3}};
  EXPECT_EQ(sparse_dot(query, first), 2.5f);
  EXPECT_EQ(sparse_dot(third, first), 4.0f);
  EXPECT_EQ(sparse_dot(second, first), 0.0f);
  const auto index = SparseIndex::create(std::vector<SparseView>{first, second, third}).value();
  EXPECT_EQ(index->documents(), 3);
  EXPECT_THAT(index->search(query, 5).value(), ElementsAre(Hit{0, 2.5f}, Hit{2, 2.0f}, Hit{1, 0}));
  EXPECT_THAT(index->search({}, 1).value(), ElementsAre(Hit{0, 0}));
}

TEST(SparseIndex, RefusesBadVectors) {
  const auto created = [](const Sparse& document) {
    return SparseIndex::create(std::vector<SparseView>{{}, document}).status();
  };
  expect_invalid(created({{2, 2}, {1, 1}}), "document 1: indices must rise");
  expect_invalid(created({{-1}, {1}}), "document 1");
  expect_invalid(created({{1, 2}, {1}}), "2 indices and 1 values");
  expect_invalid(created({{3}, {std::numeric_limits<float>::infinity()}}), "component 3");
  const auto index = SparseIndex::create({}).value();
  const Sparse falling{{3, 1}, {1, 1}};
  expect_invalid(index->search(falling, 1).status(), "query: ");
  expect_invalid(index->search({}, 0).status(), "top_k");
}

}  // namespace
}  // namespace wde::retrieval
