// wde bench --profile: what share of the cores' time each op takes, and what it makes of it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "wde/engine.h"

namespace wde::cli {

struct ProfileReport {
  std::string config;
  int threads = 0;
  double wall_seconds = 0;
  size_t documents = 0;
  double tokens = 0;
  double peak_gflops = 0;  // of all threads, a register-only loop, in the same run
  std::vector<OpProfile> ops;
};

// Goes through all texts, as many under way as the engine takes, for about `seconds`. The engine
// must have been loaded with EngineOptions.profile. Errors: the first request's that fails.
Result<ProfileReport> profile_bulk(Engine& engine, std::span<const Request> requests,
                                   double seconds);

std::string profile_table(std::span<const ProfileReport> reports);
std::string profile_json(std::span<const ProfileReport> reports);

}  // namespace wde::cli
