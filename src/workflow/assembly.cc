#include "workflow/assembly.h"

#include <algorithm>

#include "base/process_memory.h"
#include "base/status.h"
#include "ops/profile.h"
#include "tensor/device_registry.h"
#include "workflow/decoder_mask.h"
#include "workflow/factories.h"
#include "workflow/model_files.h"
#include "workflow/settle.h"
#include "workflow/text_tokenizer.h"

namespace wde::workflow {
namespace {

std::string pooling_description(const heads::EmbeddingHeadSpec& spec) {
  std::string description;
  for (const ops::Pooling pooling : spec.poolings) {
    if (!description.empty()) description += '+';
    description += ops::pooling_name(pooling);
  }
  return description;
}

// Errors: kInvalidArgument for an option that the workflow would ignore.
Status refuse_foreign_options(const Manifest& manifest, const EngineOptions& options) {
  struct Option {
    const char* flag;
    const std::string& value;
    OwnOptions owner;
  };
  for (const Option& option :
       {Option{"--rerank-template", options.rerank_template, OwnOptions::kRerankTemplate},
        Option{"--true-token", options.true_token, OwnOptions::kRerankTemplate},
        Option{"--false-token", options.false_token, OwnOptions::kRerankTemplate},
        Option{"--step-token", options.step_token, OwnOptions::kStepToken}}) {
    if (option.value.empty() || option.owner == manifest.own_options) continue;
    return invalid_argument_error("{}: the workflow {} knows no such thing", option.flag,
                                  manifest.name);
  }
  return {};
}

// Errors: kInvalidArgument for a switch that this model can't honour.
Status check_share_prefixes(const Settings& settings, const execution::LoadedModel& model) {
  if (!settings.options.share_prefixes.value_or(false)) return {};
  if (!settings.traits.causal) {
    return invalid_argument_error(
        "--share-prefixes: tokens of {} see those behind them, so that what texts begin with is "
        "not the same in each",
        settings.architecture->architecture);
  }
  if (!prefix_sharing_tasks(settings, model).empty()) return {};
  return invalid_argument_error(
      "--share-prefixes: no answer of this model is made of a text's last token alone");
}

// Errors: kInvalidArgument where over-long inputs are to be averaged and are no embeddings.
Status check_averaging(const Settings& settings) {
  if (settings.limits.over_long != OverLong::kAverage) return {};
  const std::vector<Task>& served = settings.output.tasks;
  const Task task = settings.options.task.value_or(Task::kEmbed);
  if (task != Task::kEmbed) {
    return invalid_argument_error("--truncate average: for \"embed\" only, not for \"{}\"",
                                  task_name(task));
  }
  if (std::find(served.begin(), served.end(), Task::kEmbed) != served.end()) return {};
  return invalid_argument_error(
      "--truncate average: for \"embed\" only, which this model does not serve");
}

// Errors: kUnsupported for a model whose texts are chat messages, of which only rerankers here are
// made.
Status check_messages(const Manifest& manifest, const Settings& settings) {
  if (!settings.folder.processing.messages || settings.pair_template != nullptr) return {};
  return unsupported_error(
      "{}/sentence_bert_config.json: \"modality_config\" puts every text to the model by its chat "
      "template (\"message\"), which the workflow {} does not",
      settings.folder.transformer_path, manifest.name);
}

// As many requests of the longest texts as may wait, tokenized.
size_t queue_bytes(const Settings& settings) {
  const size_t request = sizeof(schema::SchedulableRequest) + sizeof(schema::Ticket) +
                         2 * sizeof(int32_t) * static_cast<size_t>(settings.limits.longest());
  return static_cast<size_t>(settings.options.max_queued_requests) * request;
}

// And lets go of what it was made from. `before`: the heap in use before anything asked for it, as
// a manifest's settle() may.
Status load_tokenizer(const Manifest& manifest, size_t before, Assembly* parts) {
  WDE_ASSIGN_OR_RETURN(parts->tokenizer, manifest.tokenizer(parts->settings));
  const size_t after = heap_in_use_bytes();
  parts->settings.tokenizer_bytes = after - std::min(before, after);
  parts->settings.folder.vocabulary.reset();
  return {};
}

ModelInfo describe(const Assembly& assembly) {
  const Settings& settings = assembly.settings;
  ModelInfo info;
  info.model = settings.options.model;
  info.path = settings.folder.path;
  info.revision = settings.folder.revision;
  info.architecture = settings.recipe != nullptr ? settings.recipe->architecture
                                                 : settings.architecture->architecture;
  info.dtype = settings.precision.name;
  info.device = settings.device->name();
  info.tasks = settings.output.tasks;
  info.modules = {{"workflow", std::string(assembly.manifest->name)},
                  {"model", std::string(settings.architecture->architecture)},
                  {"ops", std::string(settings.ops->name)},
                  {"executor", std::string(settings.executor->name)}};
  if (settings.architecture->decoder_mask) {
    const auto mask = find_decoder_mask(settings.folder);
    if (mask.ok() && *mask) info.modules.push_back({"mask", std::string(mask_name(**mask))});
  }
  for (const models::ModuleChoice& choice : assembly.model->model->choices()) {
    info.modules.push_back({std::string(choice.slot), std::string(choice.name)});
  }
  info.pooling = pooling_description(settings.embedding_head);
  info.normalize = settings.output.normalize;
  info.similarity = settings.folder.similarity;
  info.labels = settings.output.labels;
  info.routes = settings.folder.routes;
  info.route = settings.folder.route;
  info.hidden_size = settings.traits.hidden_size;
  info.embedding_size = settings.output.embedding_size;
  const auto& tasks = settings.output.tasks;
  const bool sparse = std::find(tasks.begin(), tasks.end(), Task::kSparse) != tasks.end();
  info.sparse_size = sparse ? static_cast<int>(settings.traits.vocab_size) : 0;
  info.max_length = settings.limits.max_length;
  info.vocab_size = std::min(settings.limits.vocab_size, assembly.tokenizer->vocab_size());
  info.max_batch_tokens = static_cast<int>(assembly.memory_plan.budget.max_tokens);
  info.max_batch_requests = static_cast<int>(assembly.memory_plan.budget.max_requests);
  info.long_text_tokens = static_cast<int>(settings.long_texts.tokens);
  info.threads = settings.workers * settings.threads_per_worker;
  info.weight_bytes = assembly.memory_plan.weight_bytes;
  info.mapped_bytes = assembly.memory_plan.mapped_bytes;
  info.workspace_bytes = assembly.memory_plan.workspace_bytes;
  info.tokenizer_bytes = assembly.memory_plan.tokenizer_bytes;
  info.queue_bytes = queue_bytes(settings);
  info.memory_limit_bytes = assembly.memory_plan.limit_bytes;
  for (const auto& [name, text] : settings.folder.prompts) {
    info.prompt_names.push_back(name);
    info.prompts.push_back(text);
  }
  return info;
}

}  // namespace

Result<Assembly> assemble(const EngineOptions& options, std::shared_ptr<Device> device,
                          AssembleUntil until, Signal* signal) {
  WDE_ASSIGN_OR_RETURN(checkpoint::ModelFolder folder, read_model(options, WithWeights::kYes));
  WDE_RETURN_IF_ERROR(apply_enable_bidirectional(options, &folder));
  WDE_ASSIGN_OR_RETURN(const Manifest* manifest, choose_manifest(folder, options));
  return assemble(*manifest, std::move(folder), options, std::move(device), until, signal);
}

Result<Assembly> assemble(const Manifest& manifest, checkpoint::ModelFolder folder,
                          const EngineOptions& options, std::shared_ptr<Device> device,
                          AssembleUntil until, Signal* signal) {
  Assembly parts;
  parts.manifest = &manifest;
  if (device == nullptr) {
    WDE_ASSIGN_OR_RETURN(device, create_device(options.device.empty() ? "auto" : options.device));
  }
  WDE_RETURN_IF_ERROR(refuse_foreign_options(manifest, options));
  WDE_RETURN_IF_ERROR(apply_enable_bidirectional(options, &folder));
  WDE_ASSIGN_OR_RETURN(parts.settings, settle(std::move(folder), options, std::move(device)));
  const size_t heap_before = heap_in_use_bytes();
  WDE_RETURN_IF_ERROR(manifest.settle(options, &parts.settings));
  WDE_RETURN_IF_ERROR(check_averaging(parts.settings));
  WDE_RETURN_IF_ERROR(check_messages(manifest, parts.settings));
  WDE_RETURN_IF_ERROR(load_tokenizer(manifest, heap_before, &parts));
  WDE_ASSIGN_OR_RETURN(parts.model, manifest.model(parts.settings, manifest.heads));
  WDE_RETURN_IF_ERROR(check_share_prefixes(parts.settings, *parts.model));
  WDE_ASSIGN_OR_RETURN(parts.memory_plan, manifest.memory_plan(parts.settings, *parts.model));
  parts.text_tokenizer = make_text_tokenizer(parts.tokenizer);
  parts.info = describe(parts);
  return_free_heap();  // of files that were read, before batches take it
  if (until == AssembleUntil::kMemoryPlan) return parts;
  parts.input_processor = manifest.input_processor(parts.settings);
  parts.request_processor = manifest.request_processor(parts.settings, parts.tokenizer);
  parts.scheduler = manifest.scheduler(parts.settings, parts.memory_plan);
  parts.model_input_builder = manifest.model_input_builder(parts.settings, *parts.model);
  parts.output_processor = manifest.output_processor(parts.settings, *parts.tokenizer);
  WDE_ASSIGN_OR_RETURN(parts.executor,
                       manifest.executor(parts.settings, parts.memory_plan, parts.model, signal));
  return parts;
}

std::vector<OpProfile> take_profile(const Assembly& assembly) {
  std::vector<OpProfile> ops;
  if (assembly.settings.profile == nullptr) return ops;
  for (ops::Profile::Entry& entry : assembly.settings.profile->take()) {
    ops.push_back(
        {std::move(entry.op), entry.calls, entry.core_seconds, entry.work.flops, entry.work.bytes});
  }
  return ops;
}

}  // namespace wde::workflow
