#include "workflow/factories.h"

#include <algorithm>

#include "attention/attention.h"
#include "base/log.h"
#include "base/status.h"
#include "heads/hidden_head.h"
#include "workflow/special_tokens.h"
#include "workflow/text_tokenizer.h"

namespace wde::workflow {
namespace {

// A batch is picked among so many times what its budget of requests holds.
constexpr int64_t kWindowBatches = 4;

size_t memory_limit_bytes(const Settings& settings) {
  return static_cast<size_t>(static_cast<double>(settings.device->memory().total_bytes) *
                             settings.options.memory_utilization);
}

std::string mebibytes(size_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

layers::LoadContext load_context(const Settings& settings, layers::ParameterStore* store) {
  return {.device = settings.device,
          .ops = *settings.ops,
          .dtype = settings.precision.dtype,
          .weights = settings.precision.weights,
          .max_length = settings.limits.max_length,
          .gemm_backend = settings.options.gemm_backend,
          .attention_backend = settings.options.attention_backend,
          .store = store};
}

Status load_parts(const Settings& settings, LoadHeads heads, layers::LoadContext& context,
                  execution::LoadedModel* loaded) {
  auto model =
      settings.architecture->load(settings.folder.config, *settings.folder.weights, context);
  if (!model.ok()) return model.status().with_context(settings.folder.transformer_path);
  loaded->model = std::move(model).value();
  // Every workflow serves the last hidden states.
  loaded->tasks = {
      {.task = Task::kHidden,
       .parts = {loaded->add(std::make_unique<heads::HiddenHead>(settings.traits.hidden_size))}}};
  WDE_RETURN_IF_ERROR(heads(settings, context, loaded).with_context(settings.folder.path));
  loaded->weight_bytes = context.weight_bytes;
  loaded->mapped_bytes = context.mapped_bytes;
  return {};
}

// An adapter's tensor without a use is a mistake more often than not: a head's, say, where the
// workflow gives last hidden states. Errors: kDataLoss naming one that the model does not even
// have.
Status check_unread(const std::vector<checkpoint::AdapterTensor>& tensors) {
  for (const auto& [name, brought] : tensors) {
    // An output layer that is tied to the table of words is brought beside that.
    if (brought && !name.ends_with("lm_head.weight")) {
      return data_loss_error(
          "the adapter brings \"{}\" whole, which is not in the model's weights and which nothing "
          "here asks for",
          name);
    }
    log::warning("the adapter changes \"{}\", which this model does not use here", name);
  }
  return {};
}

execution::PassLimits pass_limits(const Settings& settings, const pipeline::BatchBudget& budget) {
  const int64_t tokens = settings.shards.max_shard_tokens > 0
                             ? std::min(settings.shards.max_shard_tokens, budget.max_tokens)
                             : budget.max_tokens;
  execution::PassLimits limits;
  limits.shard = {.tokens = tokens,
                  .sequences = std::min(budget.max_requests, tokens),
                  .max_length = settings.longest_whole()};
  const int64_t longest = settings.limits.longest();
  if (longest > settings.long_texts.tokens) {
    limits.long_text = {.tokens = longest,
                        .sequences = 1,
                        .max_length = longest,
                        .chunk_rows = settings.long_texts.chunk_rows};
  }
  return limits;
}

// Settles what follows from the plan's budget.
void size_workspace(const Settings& settings, const execution::LoadedModel& model,
                    MemoryPlan* plan) {
  const pipeline::BatchBudget& budget = plan->budget;
  plan->pass_limits = pass_limits(settings, budget);
  plan->slot_tokens = std::max<int64_t>(budget.max_tokens, settings.limits.longest());
  const execution::ArenaSizes arenas = execution::measure_arenas(
      model, *settings.ops, *settings.device, plan->pass_limits, settings.threads_per_worker);
  const int64_t floats =
      execution::max_output_floats(model, plan->slot_tokens, budget.max_requests);
  const size_t slot = execution::Worker::slot_bytes(plan->slot_tokens, budget.max_requests, floats);
  const auto slots = static_cast<size_t>(settings.executor->slots_per_worker);
  plan->workspace_bytes = static_cast<size_t>(settings.workers) *
                          (arenas.bytes(settings.threads_per_worker) + slot * slots);
}

std::optional<int32_t> padding_id(const Settings& settings, const tokenizer::Tokenizer& tokenizer) {
  return special_token_id(settings.folder.tokenizer_path, "pad_token", tokenizer);
}

}  // namespace

Result<std::shared_ptr<const tokenizer::Tokenizer>> make_tokenizer(const Settings& settings) {
  if (settings.tokenizer != nullptr) return settings.tokenizer;
  WDE_ASSIGN_OR_RETURN(std::shared_ptr<const tokenizer::Tokenizer> tokenizer,
                       load_tokenizer(settings.folder));
  if (settings.folder.do_lower_case) {
    // Harmless where the tokenizer lower-cases by itself, as uncased ones do; else it would have to
    // be done here.
    const auto upper = tokenizer->encode("WDE É", std::nullopt, {});
    const auto lower = tokenizer->encode("wde é", std::nullopt, {});
    if (!upper.ok() || !lower.ok() || upper->ids != lower->ids) {
      return unsupported_error(
          "{}/sentence_bert_config.json: do_lower_case with a tokenizer that keeps case",
          settings.folder.transformer_path);
    }
  }
  if (settings.limits.padded_length > 0 && !padding_id(settings, *tokenizer)) {
    return unsupported_error(
        "{}/tokenizer_config.json: no \"pad_token\" of the vocabulary, which every text is padded "
        "with",
        settings.folder.tokenizer_path);
  }
  const int specials = tokenizer->special_tokens_added(false);
  if (settings.limits.max_length <= specials) {
    return invalid_argument_error(
        "the length limit of {} leaves no room beside the {} special tokens of every text",
        settings.limits.max_length, specials);
  }
  return tokenizer;
}

Result<std::shared_ptr<const execution::LoadedModel>> make_model(const Settings& settings,
                                                                 LoadHeads heads) {
  {
    execution::LoadedModel counted;
    layers::LoadContext context = load_context(settings, &counted.store);
    context.planning = true;
    WDE_RETURN_IF_ERROR(load_parts(settings, heads, context, &counted));
    const size_t limit_bytes = memory_limit_bytes(settings);
    if (context.weight_bytes > limit_bytes) {
      return resource_exhausted_error(
          "the weights take {} in {}, more than the {} that --memory-utilization {} leaves of {}",
          mebibytes(context.weight_bytes), settings.precision.name, mebibytes(limit_bytes),
          settings.options.memory_utilization, settings.device->name());
    }
  }
  auto loaded = std::make_shared<execution::LoadedModel>();
  loaded->mapped_weights = settings.folder.weights;
  layers::LoadContext context = load_context(settings, &loaded->store);
  WDE_RETURN_IF_ERROR(load_parts(settings, heads, context, loaded.get()));
  if (settings.folder.weights != nullptr) {
    WDE_RETURN_IF_ERROR(
        check_unread(settings.folder.weights->unread_changes()).with_context(settings.folder.path));
    settings.folder.weights->drop_pages();
  }
  return std::shared_ptr<const execution::LoadedModel>(std::move(loaded));
}

Result<MemoryPlan> plan_memory(const Settings& settings, const execution::LoadedModel& model) {
  MemoryPlan plan{.limit_bytes = memory_limit_bytes(settings),
                  .weight_bytes = model.weight_bytes,
                  .mapped_bytes = model.mapped_bytes,
                  .tokenizer_bytes = settings.tokenizer_bytes,
                  .budget = settings.budget};
  for (;;) {
    size_workspace(settings, model, &plan);
    if (plan.weight_bytes + plan.tokenizer_bytes + plan.workspace_bytes <= plan.limit_bytes) break;
    if (plan.budget.max_tokens <= settings.longest_whole()) {
      return resource_exhausted_error(
          "weights {} + workspace {} for batches of {} tokens and texts of {} exceed the {} "
          "that --memory-utilization {} leaves of {}; lower --max-length or --max-batch-requests",
          mebibytes(plan.weight_bytes), mebibytes(plan.workspace_bytes), plan.budget.max_tokens,
          settings.limits.longest(), mebibytes(plan.limit_bytes),
          settings.options.memory_utilization, settings.device->name());
    }
    plan.budget.max_tokens =
        std::max<int64_t>(settings.longest_whole(), plan.budget.max_tokens * 3 / 4);
    plan.budget.max_requests = std::min(plan.budget.max_requests, plan.budget.max_tokens);
  }
  if (plan.budget.max_tokens < settings.budget.max_tokens) {
    log::warning(
        "batches are limited to {} tokens instead of {}: weights {} + workspace {} must fit {}",
        plan.budget.max_tokens, settings.budget.max_tokens, mebibytes(plan.weight_bytes),
        mebibytes(plan.workspace_bytes), mebibytes(plan.limit_bytes));
  }
  return plan;
}

std::unique_ptr<pipeline::InputProcessor> make_input_processor(const Settings& settings) {
  return std::make_unique<pipeline::InputProcessor>(settings.output, settings.prompts,
                                                    settings.adapters, settings.limits.over_long);
}

std::unique_ptr<pipeline::RequestProcessor> make_request_processor(
    const Settings& settings, std::shared_ptr<const tokenizer::Tokenizer> tokenizer) {
  pipeline::TextLimits limits = settings.limits;
  if (limits.padded_length > 0) limits.padding_id = padding_id(settings, *tokenizer).value();
  return std::make_unique<pipeline::RequestProcessor>(std::move(tokenizer), limits,
                                                      settings.prompts);
}

std::unique_ptr<pipeline::Scheduler> make_scheduler(const Settings& settings,
                                                    const MemoryPlan& plan) {
  return std::make_unique<pipeline::Scheduler>(
      pipeline::SchedulerOptions{.budget = plan.budget,
                                 .window_requests = kWindowBatches * plan.budget.max_requests,
                                 .long_text_tokens = settings.long_texts.tokens});
}

heads::RecipeSource recipe_source(const Settings& settings) {
  return {.recipe = settings.recipe,
          .config = &settings.folder.config,
          .weights = settings.folder.weights.get(),
          .hidden_size = settings.traits.hidden_size};
}

std::vector<pipeline::PrefixSharing> prefix_sharing_tasks(const Settings& settings,
                                                          const execution::LoadedModel& model) {
  std::vector<pipeline::PrefixSharing> tasks;
  if (!settings.options.share_prefixes.value_or(true) || !settings.traits.causal) return tasks;
  for (const execution::TaskHeads& task : model.tasks) {
    const int32_t passed_over = task.parts.front()->passed_over_id();
    const bool able = std::all_of(task.parts.begin(), task.parts.end(), [&](const auto* head) {
      return head->reads_last_token_only() && head->passed_over_id() == passed_over;
    });
    if (able) tasks.push_back({.task = task.task, .passed_over = passed_over});
  }
  return tasks;
}

std::unique_ptr<pipeline::ModelInputBuilder> make_model_input_builder(
    const Settings& settings, const execution::LoadedModel& model) {
  return std::make_unique<pipeline::ModelInputBuilder>(
      pipeline::ModelInputOptions{.prefix_sharing = prefix_sharing_tasks(settings, model),
                                  .prefix_unit = int{attention::kQueryBlock},
                                  .position_offset = settings.traits.position_offset,
                                  .padding_id = settings.traits.padding_id,
                                  .type_vocab_size = settings.traits.type_vocab_size,
                                  .shards = settings.shards,
                                  .chunk_rows = settings.long_texts.chunk_rows});
}

Result<std::unique_ptr<execution::Executor>> make_executor(
    const Settings& settings, const MemoryPlan& plan,
    std::shared_ptr<const execution::LoadedModel> model, Signal* signal) {
  const auto make_worker =
      [&](int index,
          execution::Worker::Options options) -> Result<std::unique_ptr<execution::Worker>> {
    execution::Runner::Options runner_options{.model = model,
                                              .ops = settings.ops,
                                              .device = settings.device,
                                              .threads = settings.threads_per_worker,
                                              .limits = plan.pass_limits,
                                              .profile = settings.profile};
    if (settings.workers > 1 && settings.device->host_addressable()) {
      runner_options.first_core = index * settings.threads_per_worker;
      options.core = runner_options.first_core;
    }
    WDE_ASSIGN_OR_RETURN(std::unique_ptr<execution::Runner> runner,
                         execution::Runner::create(std::move(runner_options)));
    options.device = settings.device;
    options.max_batch_tokens = plan.slot_tokens;
    options.max_batch_requests = plan.budget.max_requests;
    return execution::Worker::create(std::move(options), std::move(runner));
  };
  return execution::Executor::create(*settings.executor, settings.workers, signal, make_worker);
}

Manifest common_slots() {
  return {.name = {},
          .description = {},
          .tasks = {},
          .own_options = OwnOptions::kNone,
          .refusal = nullptr,
          .settle = nullptr,
          .tokenizer = &make_tokenizer,
          .heads = nullptr,
          .model = &make_model,
          .memory_plan = &plan_memory,
          .input_processor = &make_input_processor,
          .request_processor = &make_request_processor,
          .scheduler = &make_scheduler,
          .model_input_builder = &make_model_input_builder,
          .executor = &make_executor,
          .output_processor = nullptr};
}

}  // namespace wde::workflow
