// The factories that workflows put into their slots.
#pragma once

#include "heads/recipe_layers.h"
#include "workflow/workflow.h"

namespace wde::workflow {

// The settings' own where they have one. Errors: those of tokenizer::load_tokenizer; kUnsupported
// for do_lower_case with a tokenizer that keeps case.
Result<std::shared_ptr<const tokenizer::Tokenizer>> make_tokenizer(const Settings& settings);

// Checks and counts first, and refuses with the numbers what the memory limit can't hold; then
// packs. The last hidden states' head is there for every family; `heads` adds its own. Errors:
// those of the architecture's loader and of the heads, kResourceExhausted.
Result<std::shared_ptr<const execution::LoadedModel>> make_model(const Settings& settings,
                                                                 LoadHeads heads);

// Shrinks the token budget (not below the longest text) until the workspace fits beside the
// weights, and says so in the log. Errors: kResourceExhausted with the numbers.
Result<MemoryPlan> plan_memory(const Settings& settings, const execution::LoadedModel& model);

std::unique_ptr<pipeline::InputProcessor> make_input_processor(const Settings& settings);
std::unique_ptr<pipeline::RequestProcessor> make_request_processor(
    const Settings& settings, std::shared_ptr<const tokenizer::Tokenizer> tokenizer);
std::unique_ptr<pipeline::Scheduler> make_scheduler(const Settings& settings,
                                                    const MemoryPlan& plan);
// What a head of the checkpoint is loaded from; points into the settings.
heads::RecipeSource recipe_source(const Settings& settings);
// Tasks for which what texts begin with need only be computed once; none where the user says so.
std::vector<pipeline::PrefixSharing> prefix_sharing_tasks(const Settings& settings,
                                                          const execution::LoadedModel& model);
std::unique_ptr<pipeline::ModelInputBuilder> make_model_input_builder(
    const Settings& settings, const execution::LoadedModel& model);
Result<std::unique_ptr<execution::Executor>> make_executor(
    const Settings& settings, const MemoryPlan& plan,
    std::shared_ptr<const execution::LoadedModel> model, Signal* signal);

// A manifest with the slots that families share; a family fills in the others (name, description,
// tasks, refusal, settle, heads, output_processor) and replaces those in which it differs.
Manifest common_slots();

}  // namespace wde::workflow
