// What a score may have beside q·k, each as a change to a plain problem: windows, distance biases,
// disentangled positions, a softcap. The parity and invariance tests walk this list.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "attention/attention.h"

namespace wde::attention::test {

// Owns the parameters that problems point to. Rows have gaps of NaN, as in a slice of a larger
// matrix.
class ProblemTables {
 public:
  // Columns are 2 radius + 1. Of the magnitude of the scores: with much larger ones, single keys
  // outweigh all others, and sums in f32 lose more than the parity test's floor is made for.
  void add_distance_bias(AttentionProblem& problem, int64_t radius) {
    std::normal_distribution<float> normal;
    problem.distance_bias = random_matrix(DType::kF32, problem.heads, 2 * radius + 1, normal);
  }

  // ALiBi (Press et al. 2022), both sides: -slope |i - j|.
  void add_linear_bias(AttentionProblem& problem, int64_t radius) {
    add_distance_bias(problem, radius);
    for (int64_t h = 0; h < problem.heads; ++h) {
      float* row = problem.distance_bias.as<float>() + h * problem.distance_bias.row_stride;
      const float slope = std::exp2(-static_cast<float>(h + 1) * 8 / problem.heads);
      for (int64_t d = -radius; d <= radius; ++d) {
        row[radius + d] = -slope * static_cast<float>(std::abs(d));
      }
    }
  }

  enum class Terms { kBoth, kKeys, kQueries };

  // `rows` are the position rows by distance -R … R.
  void add_disentangled(AttentionProblem& problem, const std::vector<int32_t>& rows,
                        Terms terms = Terms::kBoth) {
    const int64_t positions = *std::max_element(rows.begin(), rows.end()) + 1;
    const int64_t columns = int64_t{problem.heads} * problem.head_size;
    std::normal_distribution<float> normal;
    Disentangled& disentangled = problem.disentangled;
    if (terms != Terms::kQueries) {
      disentangled.position_keys = random_matrix(problem.dtype, positions, columns, normal);
    }
    if (terms != Terms::kKeys) {
      disentangled.position_queries = random_matrix(problem.dtype, positions, columns, normal);
    }
    void* data = own(rows.size() * sizeof(int32_t));
    std::memcpy(data, rows.data(), rows.size() * sizeof(int32_t));
    disentangled.position_rows =
        TensorView::contiguous(data, DType::kI32, {static_cast<int64_t>(rows.size())});
  }

  // DeBERTa-v2's buckets: distances up to `linear` have a row each, then ever more share one.
  static std::vector<int32_t> log_buckets(int64_t linear, int64_t radius) {
    std::vector<int32_t> rows;
    const auto bucket = [&](int64_t distance) {
      const auto size = static_cast<double>(std::abs(distance));
      const auto first = static_cast<double>(linear);
      if (size <= first) return static_cast<double>(distance);
      const double scaled = std::log(size / first) / std::log(static_cast<double>(radius) / first);
      return (distance < 0 ? -1 : 1) * (first + std::ceil(scaled * (first - 1)));
    };
    for (int64_t d = -radius; d <= radius; ++d) {
      rows.push_back(static_cast<int32_t>(bucket(d) - bucket(-radius)));
    }
    return rows;
  }

  // A row for each distance, in no order.
  std::vector<int32_t> shuffled(int64_t radius, int32_t positions) {
    std::uniform_int_distribution<int32_t> uniform(0, positions - 1);
    std::vector<int32_t> rows(static_cast<size_t>(2 * radius + 1));
    for (int32_t& row : rows) row = uniform(random_);
    return rows;
  }

 private:
  void* own(size_t bytes) { return storages_.emplace_back(bytes).data(); }

  TensorView random_matrix(DType dtype, int64_t rows, int64_t columns,
                           std::normal_distribution<float> normal) {
    constexpr int64_t kGap = 3;
    std::vector<float> values(static_cast<size_t>(rows * (columns + kGap)), NAN);
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        values[static_cast<size_t>(i * (columns + kGap) + j)] = normal(random_);
      }
    }
    void* data = own(values.size() * dtype_size_bytes(dtype));
    convert_elements(values.data(), DType::kF32, data, dtype, values.size());
    return TensorView::contiguous(data, dtype, {rows, columns + kGap}).slice_columns(0, columns);
  }

  std::vector<std::vector<uint8_t>> storages_;
  std::mt19937 random_{17};
};

struct ProblemKind {
  std::string_view name;
  std::function<void(AttentionProblem&, ProblemTables&)> apply;
};

inline void set_window(AttentionProblem& problem, int64_t left, int64_t right) {
  problem.window_left = left;
  problem.window_right = right;
}

inline std::span<const ProblemKind> problem_kinds() {
  using P = AttentionProblem;
  using T = ProblemTables;
  static const ProblemKind kKinds[] = {
      {"plain", [](P&, T&) {}},
      {"window_0_0", [](P& p, T&) { set_window(p, 0, 0); }},
      {"window_1_2", [](P& p, T&) { set_window(p, 1, 2); }},
      {"window_16_16", [](P& p, T&) { set_window(p, 16, 16); }},
      {"window_64_64", [](P& p, T&) { set_window(p, 64, 64); }},
      {"window_left_40", [](P& p, T&) { set_window(p, 40, -1); }},
      {"window_right_9", [](P& p, T&) { set_window(p, -1, 9); }},
      {"window_129_0", [](P& p, T&) { set_window(p, 129, 0); }},
      {"window_wider_than_any", [](P& p, T&) { set_window(p, 5000, 5000); }},
      {"bias_0", [](P& p, T& t) { t.add_distance_bias(p, 0); }},
      {"bias_3", [](P& p, T& t) { t.add_distance_bias(p, 3); }},
      {"bias_100", [](P& p, T& t) { t.add_distance_bias(p, 100); }},
      {"bias_700", [](P& p, T& t) { t.add_distance_bias(p, 700); }},
      {"alibi", [](P& p, T& t) { t.add_linear_bias(p, 8192); }},
      {"bias_in_window",
       [](P& p, T& t) {
         t.add_distance_bias(p, 20);
         set_window(p, 50, 21);
       }},
      {"softcap", [](P& p, T&) { p.softcap = 1.5f; }},
      {"softcap_in_window",
       [](P& p, T&) {
         p.softcap = 0.5f;
         set_window(p, 33, 70);
       }},
      {"disentangled", [](P& p, T& t) { t.add_disentangled(p, T::log_buckets(12, 100)); }},
      {"disentangled_long", [](P& p, T& t) { t.add_disentangled(p, T::log_buckets(128, 511)); }},
      {"disentangled_linear", [](P& p, T& t) { t.add_disentangled(p, T::log_buckets(30, 30)); }},
      {"disentangled_one_row", [](P& p, T& t) { t.add_disentangled(p, {0}); }},
      {"position_keys",
       [](P& p, T& t) { t.add_disentangled(p, T::log_buckets(12, 100), T::Terms::kKeys); }},
      {"position_queries",
       [](P& p, T& t) { t.add_disentangled(p, T::log_buckets(12, 100), T::Terms::kQueries); }},
      {"shuffled_positions", [](P& p, T& t) { t.add_disentangled(p, t.shuffled(90, 50)); }},
      {"everything",
       [](P& p, T& t) {
         t.add_distance_bias(p, 10);
         t.add_disentangled(p, T::log_buckets(20, 90));
         p.softcap = 4.0f;
         set_window(p, 100, 64);
       }},
  };
  return kKinds;
}

}  // namespace wde::attention::test
