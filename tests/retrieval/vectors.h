// Vectors for the retrieval tests, and the instruction sets they walk.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "ops/registry.h"

namespace wde::retrieval::test {

inline std::vector<float> random_vectors(int64_t rows, int64_t columns, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(rows * columns));
  for (float& value : values) value = normal(random);
  return values;
}

// Of the CPU, those that this machine can run.
inline std::vector<std::string> runnable_isas() {
  std::vector<std::string> names;
  for (const ops::OpTableEntry& entry : ops::op_tables()) {
    if (entry.device_kind == "cpu" && entry.refusal().empty()) names.emplace_back(entry.name);
  }
  return names;
}

}  // namespace wde::retrieval::test
