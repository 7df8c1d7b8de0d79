// What `wde bench` found, as plain values, and its three forms.
#pragma once

#include <string>
#include <vector>

#include "entrypoints/cli/measure.h"

namespace wde::cli {

// One way of running the model.
struct BenchConfig {
  std::string dtype;
  std::string attention_backend;
  std::string executor;

  std::string name() const { return attention_backend + ", " + executor + ", " + dtype; }
};

struct BenchRow {
  BenchConfig config;
  int batch_size = 0;   // requests under way
  size_t requests = 0;  // in each round
  Spread documents_per_s;
  Spread tokens_per_s;
  Spread latency_p50_ms;
  Spread latency_p99_ms;
};

// A configuration's answers beside those of another.
struct BenchCheck {
  BenchConfig config;
  BenchConfig reference;
  double difference = 0;  // by difference_of
  double allowed = 0;     // 0: the same bits

  bool passed() const { return difference <= allowed; }
};

struct BenchReport {
  std::string version;
  std::string commit;
  std::string model;
  std::string architecture;
  std::string task;
  std::string cpu;
  int cores = 0;
  int threads = 0;
  size_t memory_bytes = 0;
  size_t texts = 0;
  Spread text_tokens;
  int rounds = 0;
  std::vector<BenchCheck> checks;
  std::vector<BenchRow> rows;
};

std::string bench_table(const BenchReport& report);
std::string bench_json(const BenchReport& report);
// Latency (p50) over throughput, a line for each configuration, a point for each batch size.
std::string bench_svg(const BenchReport& report);

}  // namespace wde::cli
