#include "entrypoints/cli/bench_check.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "base/status.h"

namespace wde::cli {
namespace {

// How far rounding moves answers. The largest found on all-MiniLM-L6-v2 and 154 tiny random models,
// by every task: for f32, where sums are in another order, 3e-6; for bf16 and int8 0.09 and 0.13.
// Answers that have nothing to do with each other are 1 apart.
double rounding(const std::string& dtype) {
  if (dtype == "f32") return 1e-5;
  return dtype == "bf16" ? 0.2 : 0.25;
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLeast = std::numeric_limits<double>::denorm_min();

struct Squares {
  double sum = 0;
  size_t count = 0;

  void add(double value) {
    sum += value * value;
    ++count;
  }
  double root_mean() const { return count == 0 ? 0 : std::sqrt(sum / static_cast<double>(count)); }
};

double root_mean_square(std::span<const Answer> answers) {
  Squares squares;
  for (const Answer& answer : answers) {
    for (const float value : answer.numbers) squares.add(value);
    for (const float value : answer.sparse.values) squares.add(value);
  }
  return squares.root_mean();
}

bool same_bits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

// The differences of two answers' numbers.
class Differences {
 public:
  Differences(const Answer& a, const Answer& b) {
    if (a.numbers.size() != b.numbers.size()) {
      add(kInfinity);
      return;
    }
    for (size_t i = 0; i < a.numbers.size(); ++i) add(a.numbers[i], b.numbers[i]);
    add(a.sparse, b.sparse);
  }

  bool none() const { return none_; }
  double root_mean() const { return squares_.root_mean(); }

 private:
  void add(double apart) {
    none_ = false;
    squares_.add(std::isnan(apart) ? kInfinity : apart);
  }
  void add(float a, float b) {
    if (same_bits(a, b)) return squares_.add(0);
    add(double{a} - double{b});
  }
  void add(const SparseVector& a, const SparseVector& b) {
    size_t i = 0, j = 0;
    while (i < a.indices.size() || j < b.indices.size()) {
      const bool left =
          j == b.indices.size() || (i < a.indices.size() && a.indices[i] <= b.indices[j]);
      const bool right =
          i == a.indices.size() || (j < b.indices.size() && b.indices[j] <= a.indices[i]);
      const float a_value = left ? a.values[i++] : 0.0f;
      const float b_value = right ? b.values[j++] : 0.0f;
      add(a_value, b_value);
    }
  }

  Squares squares_;
  bool none_ = true;
};

}  // namespace

size_t reference_of(std::span<const BenchConfig> configs, size_t index) {
  WDE_CHECK(0 < index && index < configs.size());
  const BenchConfig& config = configs[index];
  const auto before = configs.first(index);
  const auto of_dtype = [&](const BenchConfig& other) { return other.dtype == config.dtype; };
  auto found = std::find_if(before.begin(), before.end(), [&](const BenchConfig& other) {
    return of_dtype(other) && other.attention_backend == config.attention_backend;
  });
  if (found == before.end()) found = std::find_if(before.begin(), before.end(), of_dtype);
  return found == before.end() ? 0 : static_cast<size_t>(found - before.begin());
}

// Executors give the same bits; attention backends sum in another order; dtypes round otherwise.
double allowed_difference(const BenchConfig& config, const BenchConfig& reference) {
  if (config.dtype == reference.dtype && config.attention_backend == reference.attention_backend) {
    return 0;
  }
  return std::max(rounding(config.dtype), rounding(reference.dtype));
}

double difference_of(std::span<const Answer> answers, std::span<const Answer> reference) {
  if (answers.size() != reference.size()) return kInfinity;
  const double magnitude = root_mean_square(reference);
  double largest = 0;
  for (size_t row = 0; row < answers.size(); ++row) {
    const Differences differences(answers[row], reference[row]);
    if (differences.none()) continue;
    const double share = differences.root_mean() / magnitude;
    largest = std::max(largest, std::isnan(share) ? kInfinity : std::max(share, kLeast));
  }
  return largest;
}

BenchCheck compare_answers(const BenchConfig& config, std::span<const Answer> answers,
                           const BenchConfig& reference,
                           std::span<const Answer> reference_answers) {
  return {config, reference, difference_of(answers, reference_answers),
          allowed_difference(config, reference)};
}

}  // namespace wde::cli
