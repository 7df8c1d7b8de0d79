// Where tests find what they read.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace wde::test {

inline std::string from_environment(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : fallback;
}

// A file of the project's own fixtures, tests/data/<relative>.
inline std::string fixture(const std::string& relative) {
  return std::string(WDE_TESTS_DIR) + "/data/" + relative;
}

// A file of the real data (WDE_TEST_DATA); empty when it is not there.
inline std::string real_data(const std::string& relative) {
  const std::string path =
      from_environment("WDE_TEST_DATA", WDE_TEST_DATA_DEFAULT) + "/" + relative;
  return std::filesystem::exists(path) ? path : std::string();
}

// The folder of the real all-MiniLM-L6-v2 (WDE_TEST_MODEL); empty when it is not there.
inline std::string real_model() {
  const std::string path = from_environment("WDE_TEST_MODEL", WDE_TEST_MODEL_DEFAULT);
  return std::filesystem::exists(path + "/config.json") ? path : std::string();
}

}  // namespace wde::test

// Skips the test aloud when `path` is empty.
#define WDE_SKIP_WITHOUT(path, what)                                    \
  if ((path).empty()) {                                                 \
    GTEST_SKIP() << "skipped: " << (what) << " is not on this machine"; \
  }
