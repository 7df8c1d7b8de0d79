// Dense and Normalize in plain loops of doubles, and weights for them.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/memory_weights.h"

namespace wde::heads::test {

using Row = std::vector<double>;
using RowsOf = std::vector<Row>;

// Numbers without a pattern that the loops could share with a mistake.
inline std::vector<float> numbers(int64_t count, double seed) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(std::sin(seed + 1.7 * static_cast<double>(i))));
  }
  return values;
}

inline double identity(double x) { return x; }
inline double hyperbolic_tangent(double x) { return std::tanh(x); }

inline RowsOf dense(const RowsOf& rows, const std::vector<float>& weight,
                    const std::vector<float>& bias, int64_t outputs, double (*activation)(double)) {
  RowsOf out;
  for (const Row& row : rows) {
    Row next;
    for (size_t n = 0; n < static_cast<size_t>(outputs); ++n) {
      double sum = bias.empty() ? 0.0 : bias[n];
      for (size_t k = 0; k < row.size(); ++k) sum += row[k] * weight[n * row.size() + k];
      next.push_back(activation(sum));
    }
    out.push_back(next);
  }
  return out;
}

inline RowsOf normalize(RowsOf rows) {
  for (Row& row : rows) {
    double sum = 0;
    for (const double x : row) sum += x * x;
    for (double& x : row) x /= std::sqrt(sum);
  }
  return rows;
}

inline RowsOf added(RowsOf rows, const RowsOf& others) {
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t c = 0; c < rows[i].size(); ++c) rows[i][c] += others[i][c];
  }
  return rows;
}

inline void expect_rows(const std::vector<float>& actual, const RowsOf& expected) {
  ASSERT_EQ(actual.size(), expected.size() * expected.front().size());
  for (size_t i = 0; i < actual.size(); ++i) {
    const size_t columns = expected.front().size();
    ASSERT_NEAR(actual[i], expected[i / columns][i % columns], 2e-6) << "element " << i;
  }
}

// numbers(…, 2.0) and numbers(…, 5.0).
inline wde::test::MemoryWeights make_linear(int64_t outputs, int64_t inputs) {
  wde::test::MemoryWeights weights;
  weights.set("linear.weight", {outputs, inputs}, numbers(outputs * inputs, 2.0));
  weights.set("linear.bias", {outputs}, numbers(outputs, 5.0));
  return weights;
}

}  // namespace wde::heads::test
