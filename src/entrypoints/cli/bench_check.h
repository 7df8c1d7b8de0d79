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

// How far apart two configurations' answers may be, as a share of the reference's largest
// component. 0: the same bits.
double allowed_difference(const BenchConfig& config, const BenchConfig& reference);

// The answers of both to the same texts, a row a text.
BenchCheck compare_answers(const BenchConfig& config, std::span<const Answer> answers,
                           const BenchConfig& reference, std::span<const Answer> reference_answers);

}  // namespace wde::cli
