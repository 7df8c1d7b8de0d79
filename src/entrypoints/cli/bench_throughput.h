// wde bench's throughput and latency: what is compared, and how. Everything compared is loaded at
// once and takes turns, so that a machine that slows down slows all of it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "entrypoints/cli/bench_report.h"
#include "entrypoints/cli/console.h"
#include "wde/engine.h"

namespace wde::cli {

// One way of running the model, loaded.
struct Contestant {
  BenchConfig config;
  std::unique_ptr<Engine> engine;
};

struct ThroughputOptions {
  std::optional<Task> task;      // unset: the first that the model serves
  int threads = 0;               // for the report: what each contestant computes with
  std::vector<int> batch_sizes;  // requests under way
  int rounds = 0;
  double seconds = 0;  // the least length of a round
};

std::vector<std::string> split_at_commas(const std::string& list);

// Of every dtype, attention backend and executor that the options list; of the latter two, where
// none is listed, every one that can be used here. The memory is shared by all. Errors: those of
// Engine::create, naming the contestant; kUnsupported where none is left.
Result<std::vector<Contestant>> load_contestants(const EngineOptions& options, Console& console);

// Answers first: what computes something else than the others is kInternal, and not compared.
Result<BenchReport> measure_throughput(const std::vector<Contestant>& contestants,
                                       const std::vector<std::string>& texts,
                                       const ThroughputOptions& options, Console& console);

}  // namespace wde::cli
