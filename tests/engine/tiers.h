// Every instruction set of the CPU times every precision, as the parameter of a test.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "ops/registry.h"

namespace wde::test {

struct Tier {
  std::string isa;
  std::string dtype;
  std::string refusal;  // empty when this machine can run it, else the reason why not

  friend std::ostream& operator<<(std::ostream& out, const Tier& tier) {
    return out << tier.isa << ", " << tier.dtype;
  }
};

inline std::vector<Tier> every_tier() {
  std::vector<Tier> tiers;
  for (const ops::OpTableEntry& entry : ops::op_tables()) {
    if (entry.device_kind != "cpu") continue;
    for (const char* dtype : {"f32", "bf16", "int8"}) {
      tiers.push_back({std::string(entry.name), dtype, entry.refusal()});
    }
  }
  return tiers;
}

// All but the plain loops, which take minutes where the others take a second.
inline std::vector<Tier> tiers_for_real_models() {
  std::vector<Tier> tiers = every_tier();
  std::erase_if(tiers, [](const Tier& tier) { return tier.isa == "reference"; });
  return tiers;
}

inline std::string tier_name(const testing::TestParamInfo<Tier>& info) {
  return info.param.dtype + "_on_" + info.param.isa;
}

}  // namespace wde::test

// Skips the test aloud on a machine that can't run the tier.
#define WDE_SKIP_REFUSED(tier) \
  if (!(tier).refusal.empty()) GTEST_SKIP() << "skipped: " << (tier).isa << ": " << (tier).refusal
