// How far a run is and how fast it goes, drawn on the console's transient line some ten times a
// second. Each object is used by one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "entrypoints/cli/console.h"

namespace wde::cli {

// What is done so far; a plain value, so that its text can be tested.
struct ProgressState {
  uint64_t documents = 0;
  uint64_t tokens = 0;
  uint64_t done_bytes = 0;              // of the input
  std::optional<uint64_t> total_bytes;  // unset: a pipe
  double seconds = 0;
};

// "1200 docs  345.6 docs/s  44.1k tokens/s  45%  ETA 0:12"; the last two only where the total is
// known.
std::string progress_text(const ProgressState& state);
// "model.safetensors  12.3 MB of 90.9 MB  13%  4.5 MB/s  ETA 0:17".
std::string download_text(const std::string& file, uint64_t done_bytes, uint64_t total_bytes,
                          double bytes_per_second);
// "1:02:03", "4:05".
std::string duration_text(double seconds);
// 1234567 as "1.2M", 950 as "950".
std::string count_text(double count);

// Passes at most one call in 100 ms.
class DrawLimit {
 public:
  bool due();

 private:
  std::chrono::steady_clock::time_point last_{};
};

class Progress {
 public:
  // Draws nothing when `visible` is false: stderr is no terminal, or results go to the same one.
  Progress(Console& console, bool visible, std::optional<uint64_t> total_bytes);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void add(int tokens, size_t input_bytes);

 private:
  Console& console_;
  const bool visible_;
  const std::chrono::steady_clock::time_point start_;
  ProgressState state_;
  DrawLimit limit_;
};

// What goes into EngineOptions::download_progress. Where stderr is no terminal it says once that a
// download began.
std::function<void(const std::string&, uint64_t, uint64_t)> download_progress(Console& console);

}  // namespace wde::cli
