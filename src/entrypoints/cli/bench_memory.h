// What an engine was planned to take beside what is resident of it, for `wde bench --memory`.
#pragma once

#include <span>
#include <string>

#include "base/process_memory.h"
#include "base/status.h"
#include "wde/engine.h"

namespace wde::cli {

struct MemoryReport {
  ModelInfo info;  // with the plan
  size_t texts = 0;
  ResidentMemory before;  // without the engine
  ResidentMemory after;   // with it, once batches of the largest size have run

  // What is in memory of its own, and what is mapped.
  size_t planned_anonymous_bytes() const;
  size_t planned_bytes() const;
  // What the engine added.
  size_t anonymous_bytes() const;
  size_t file_bytes() const;
  // The plan over what the engine added.
  double ratio() const;
};

// Loads, and for each task that is served runs batches of the longest texts and largest size in
// every slot, with tokens from all over the vocabulary, so that whatever may be touched is. Blocks;
// for a process that does nothing else. Errors: those of Engine::load and of requests.
Result<MemoryReport> measure_memory(const EngineOptions& options);

std::string memory_table(std::span<const MemoryReport> reports);
std::string memory_json(std::span<const MemoryReport> reports);

}  // namespace wde::cli
