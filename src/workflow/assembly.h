// A workflow's modules, made and joined for one engine: everything that the request loop runs on.
#pragma once

#include <memory>

#include "base/signal.h"
#include "wde/engine.h"
#include "workflow/workflow.h"

namespace wde::workflow {

struct Assembly {
  const Manifest* manifest = nullptr;
  Settings settings;
  MemoryPlan memory_plan;
  ModelInfo info;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;
  std::unique_ptr<TextTokenizer> text_tokenizer;  // the public face of `tokenizer`
  std::shared_ptr<const execution::LoadedModel> model;
  std::unique_ptr<pipeline::InputProcessor> input_processor;
  std::unique_ptr<pipeline::RequestProcessor> request_processor;
  std::unique_ptr<pipeline::Scheduler> scheduler;
  std::unique_ptr<pipeline::ModelInputBuilder> model_input_builder;
  std::unique_ptr<pipeline::OutputProcessor> output_processor;
  std::unique_ptr<execution::Executor> executor;  // null for a plan
};

enum class AssembleUntil { kMemoryPlan, kExecutor };

// Chooses the workflow and calls its factories in order; with kMemoryPlan stops before buffers and
// threads are made. `signal` is what the executor notifies; a null `device` means the one that the
// options name. Errors: those of Engine::load.
Result<Assembly> assemble(const EngineOptions& options, std::shared_ptr<Device> device,
                          AssembleUntil until, Signal* signal);

// The same with a manifest that need not be in the registry; it must outlive the assembly.
Result<Assembly> assemble(const Manifest& manifest, checkpoint::ModelFolder folder,
                          const EngineOptions& options, std::shared_ptr<Device> device,
                          AssembleUntil until, Signal* signal);

// What each op took since the last call; empty without EngineOptions.profile. Thread-safe.
std::vector<OpProfile> take_profile(const Assembly& assembly);

}  // namespace wde::workflow
