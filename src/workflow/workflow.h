// A workflow: a typed manifest that says which modules serve a family of models, one factory a
// slot. Chosen from config fields or by name, settled and checked once, at load. This room is the
// only one, beside the registries, that names concrete modules.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/signal.h"
#include "checkpoint/model_folder.h"
#include "execution/executor.h"
#include "execution/loaded_model.h"
#include "heads/embedding_head.h"
#include "heads/recipe.h"
#include "models/registry.h"
#include "ops/gemm.h"
#include "ops/ops.h"
#include "ops/profile.h"
#include "pipeline/input_processor.h"
#include "pipeline/limits.h"
#include "pipeline/model_input_builder.h"
#include "pipeline/output_processor.h"
#include "pipeline/request_processor.h"
#include "pipeline/scheduler.h"
#include "tokenizer/tokenizer.h"
#include "wde/types.h"

namespace wde::pipeline {
class PairTemplate;
}

namespace wde::workflow {

// What --dtype names.
struct Precision {
  std::string_view name;
  DType dtype = DType::kF32;                              // of activations
  ops::WeightFormat weights = ops::WeightFormat::kDType;  // of the model's matrices
};

// Every decision about one engine, made from the model's files and the user's options; nothing is
// left open and nothing was ignored. Memory is not planned yet: `budget` is what was asked for.
struct Settings {
  EngineOptions options;
  checkpoint::ModelFolder folder;
  const models::ModelEntry* architecture = nullptr;
  const heads::Recipe* recipe = nullptr;  // of the checkpoint's head; null: it is an encoder alone
  models::ModelTraits traits;
  std::shared_ptr<Device> device;
  const ops::OpTable* ops = nullptr;
  Precision precision;
  const execution::ExecutorKind* executor = nullptr;
  heads::EmbeddingHeadSpec embedding_head;
  pipeline::OutputPolicy output;
  pipeline::PromptPolicy prompts;
  pipeline::AdapterPolicy adapters;
  pipeline::TextLimits limits;
  // Of a language model that reranks; null and empty for all else.
  std::shared_ptr<const pipeline::PairTemplate> pair_template;
  std::vector<int32_t> answer_tokens;
  int32_t step_token = -1;  // of a process reward model
  // Where settling needed it; else null, and the manifest's slot makes it.
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;
  pipeline::BatchBudget budget;
  pipeline::LongTexts long_texts;
  pipeline::ShardPolicy shards;
  size_t tokenizer_bytes = 0;             // what making the tokenizer left in the heap
  std::shared_ptr<ops::Profile> profile;  // null: none was asked for
  int workers = 1;
  int threads_per_worker = 1;
  int request_threads = 1;

  // Tokens of the longest text that is computed as a whole; a batch holds it.
  int64_t longest_whole() const { return std::min<int64_t>(limits.longest(), long_texts.tokens); }
};

// What fits where, in bytes. Made by plan_memory (workflow/factories.h).
struct MemoryPlan {
  size_t limit_bytes = 0;
  size_t weight_bytes = 0;
  size_t mapped_bytes = 0;     // of these, tables that are read where the checkpoint is mapped
  size_t workspace_bytes = 0;  // of all workers, buffers of batches in flight included
  size_t tokenizer_bytes = 0;
  pipeline::BatchBudget budget;
  int64_t slot_tokens = 0;  // that the buffers of a batch in flight hold: a long text's, too
  execution::PassLimits pass_limits;
};

// Adds a family's heads to *loaded and says which of them make each task's answer. Called twice:
// the first time only to count bytes (LoadContext::planning).
using LoadHeads = Status (*)(const Settings& settings, layers::LoadContext& context,
                             execution::LoadedModel* loaded);

// Options that one family alone knows; with any other they are refused by name.
enum class OwnOptions {
  kNone,
  kRerankTemplate,  // --rerank-template, --true-token, --false-token
  kStepToken,       // --step-token
};

// The slots. Every factory is called once an engine, in this order. common_slots()
// (workflow/factories.h) fills those that families share.
struct Manifest {
  std::string_view name;
  std::string_view description;
  std::vector<Task> tasks;  // that it serves; `settle` may leave some out for a model
  OwnOptions own_options = OwnOptions::kNone;
  // Empty when this workflow serves the model, else the reason why not (config fields, never
  // names).
  std::string (*refusal)(const checkpoint::ModelFolder& folder);
  // What the family adds to the settings that settle() (workflow/settle.h) made: its heads, its
  // tasks, its prompts.
  Status (*settle)(const EngineOptions& options, Settings* settings);
  Result<std::shared_ptr<const tokenizer::Tokenizer>> (*tokenizer)(const Settings& settings);
  LoadHeads heads;
  Result<std::shared_ptr<const execution::LoadedModel>> (*model)(const Settings& settings,
                                                                 LoadHeads heads);
  Result<MemoryPlan> (*memory_plan)(const Settings& settings, const execution::LoadedModel& model);
  std::unique_ptr<pipeline::InputProcessor> (*input_processor)(const Settings& settings);
  std::unique_ptr<pipeline::RequestProcessor> (*request_processor)(
      const Settings& settings, std::shared_ptr<const tokenizer::Tokenizer> tokenizer);
  std::unique_ptr<pipeline::Scheduler> (*scheduler)(const Settings& settings,
                                                    const MemoryPlan& plan);
  std::unique_ptr<pipeline::ModelInputBuilder> (*model_input_builder)(
      const Settings& settings, const execution::LoadedModel& model);
  Result<std::unique_ptr<execution::Executor>> (*executor)(
      const Settings& settings, const MemoryPlan& plan,
      std::shared_ptr<const execution::LoadedModel> model, Signal* signal);
  std::unique_ptr<pipeline::OutputProcessor> (*output_processor)(
      const Settings& settings, const tokenizer::Tokenizer& tokenizer);
};

// Every workflow, in the order in which they are asked.
std::span<const Manifest> manifests();

// The first that serves the folder and the task (where one is given), or the one named (which must
// serve them). Errors: kInvalidArgument for an unknown name, for one that does not serve this model
// and for a task that no workflow serves with it; kUnsupported for an architecture that is not
// known, and with every refusal's reason.
Result<const Manifest*> choose_manifest(const checkpoint::ModelFolder& folder,
                                        const EngineOptions& options);

}  // namespace wde::workflow
