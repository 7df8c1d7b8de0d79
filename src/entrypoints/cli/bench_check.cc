#include "entrypoints/cli/bench_check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/status.h"
#include "entrypoints/cli/measure.h"

namespace wde::cli {
namespace {

// How far rounding moves answers, as a share of the largest component: for f32 a sum in another
// order (8e-7 measured); for bf16 and int8 four times the largest found on all-MiniLM-L6-v2 and
// tiny random models, 0.011 and 0.05. Answers that have nothing to do with each other are 1 apart.
double rounding(const std::string& dtype) {
  if (dtype == "f32") return 1e-5;
  return dtype == "bf16" ? 0.04 : 0.2;
}

double largest_magnitude(std::span<const Answer> answers) {
  double largest = 0;
  for (const Answer& answer : answers) {
    for (const float value : answer.numbers) largest = std::max(largest, std::abs(double{value}));
  }
  return largest;
}

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

BenchCheck compare_answers(const BenchConfig& config, std::span<const Answer> answers,
                           const BenchConfig& reference,
                           std::span<const Answer> reference_answers) {
  double difference = largest_difference(answers, reference_answers);
  const double magnitude = largest_magnitude(reference_answers);
  if (difference > 0 && magnitude > 0) {  // and stays above 0
    difference = std::max(difference / magnitude, std::numeric_limits<double>::denorm_min());
  }
  return {config, reference, difference, allowed_difference(config, reference)};
}

}  // namespace wde::cli
