// wde bench compares answers before it compares speed: which configuration is held against which,
// and how far apart they may be.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "entrypoints/cli/bench_report.h"

namespace wde::cli {

// What configs[index], which is not the first, is compared with: the first of its dtype and
// attention backend, else the first of its dtype, else the first of all.
size_t reference_of(std::span<const BenchConfig> configs, size_t index);

// How far answers are from the reference's to the same texts, a row a text: the largest root mean
// square of a row's differences, as a share of the root mean square of all of the reference's
// numbers. 0 only for equal bits, infinity for different shapes or a NaN in one of them. What one
// of two sparse vectors lacks is 0 there.
double difference_of(std::span<const Answer> answers, std::span<const Answer> reference);

// How far apart two configurations' answers may be, by difference_of. 0: the same bits.
double allowed_difference(const BenchConfig& config, const BenchConfig& reference);

BenchCheck compare_answers(const BenchConfig& config, std::span<const Answer> answers,
                           const BenchConfig& reference, std::span<const Answer> reference_answers);

}  // namespace wde::cli
