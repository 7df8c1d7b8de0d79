#include "workflow/settle.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/env.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "ops/registry.h"

namespace wde::workflow {
namespace {

constexpr int kCpuBatchTokens = 4096;
constexpr int kDeviceBatchTokens = 16384;
constexpr int64_t kCpuShardTokens = 256;

Result<DType> settle_dtype(const std::string& name) {
  // "auto" is f32: the numbers of sentence-transformers, whatever the checkpoint is stored in.
  if (name.empty() || name == "auto") return DType::kF32;
  const std::optional<DType> dtype = parse_dtype(name);
  if (!dtype)
    return invalid_argument_error("--dtype: unknown dtype \"{}\"; there are: auto, f32, bf16",
                                  name);
  if (*dtype != DType::kF32 && *dtype != DType::kBF16) {
    return unsupported_error("--dtype {}: this workflow computes in f32 or bf16", name);
  }
  return *dtype;
}

Status settle_computation(const EngineOptions& options, Settings* settings) {
  const std::string isa = options.isa.empty() ? env::get("WDE_ISA").value_or("") : options.isa;
  WDE_ASSIGN_OR_RETURN(settings->ops, ops::choose_op_table(settings->device->kind(), isa));
  WDE_ASSIGN_OR_RETURN(settings->dtype, settle_dtype(options.dtype));
  WDE_ASSIGN_OR_RETURN(settings->executor, execution::choose_executor(options.executor));
  return {};
}

// Threads, workers and the batches they get.
Status settle_parallelism(const EngineOptions& options, Settings* settings) {
  if (options.threads < 0) return invalid_argument_error("--threads must not be negative");
  if (options.data_parallel < 1)
    return invalid_argument_error("--data-parallel must be at least 1");
  if (options.max_batch_tokens < 0)
    return invalid_argument_error("--max-batch-tokens must not be negative");
  if (options.max_batch_requests < 1)
    return invalid_argument_error("--max-batch-requests must be at least 1");
  if (options.max_queued_requests < 1)
    return invalid_argument_error("the queue must hold at least 1 request");
  const bool on_host = settings->device->host_addressable();
  const int threads = options.threads > 0 ? options.threads : available_cores();
  settings->workers = options.data_parallel;
  settings->threads_per_worker = on_host ? std::max(1, threads / options.data_parallel) : 1;
  settings->request_threads = options.request_threads > 0 ? options.request_threads : threads;
  const int batch_tokens = on_host ? kCpuBatchTokens : kDeviceBatchTokens;
  settings->budget.max_tokens =
      options.max_batch_tokens > 0 ? options.max_batch_tokens : batch_tokens;
  settings->budget.max_requests = options.max_batch_requests;
  if (on_host)
    settings->shards = {.lanes = settings->threads_per_worker, .shard_tokens = kCpuShardTokens};
  return {};
}

// CLI.md, point 3. A batch must hold the longest text.
Status settle_limits(const EngineOptions& options, Settings* settings) {
  const checkpoint::ModelFolder& folder = settings->folder;
  WDE_ASSIGN_OR_RETURN(const int64_t positions,
                       json::get_int(folder.config, "max_position_embeddings", int64_t{1} << 30));
  WDE_ASSIGN_OR_RETURN(const int64_t vocab_size, json::get_int(folder.config, "vocab_size", 0));
  int64_t length = folder.max_seq_length.value_or(folder.model_max_length.value_or(positions));
  length = std::min(length, positions);
  if (length < 1) return data_loss_error("{}: a length limit of {} tokens", folder.path, length);
  if (options.max_length) {
    if (*options.max_length < 1) return invalid_argument_error("--max-length must be at least 1");
    length = std::min<int64_t>(length, *options.max_length);
  }
  settings->limits = {.max_length = static_cast<int>(length),
                      .vocab_size = static_cast<int>(vocab_size),
                      .over_long = options.over_long,
                      .truncation_side = options.truncation_side};
  if (options.max_batch_tokens > 0 && options.max_batch_tokens < length) {
    return invalid_argument_error(
        "--max-batch-tokens {} is below the length limit of {} tokens; lower --max-length too",
        options.max_batch_tokens, length);
  }
  settings->budget.max_tokens = std::max(settings->budget.max_tokens, length);
  if (settings->shards.shard_tokens > 0) {
    settings->shards.max_shard_tokens = std::max(settings->shards.shard_tokens, length) + length;
  }
  return {};
}

Status settle_prompts(const EngineOptions& options, Settings* settings) {
  const checkpoint::ModelFolder& folder = settings->folder;
  settings->prompts.prompts = folder.prompts;
  if (options.prompt && options.prompt_name) {
    return invalid_argument_error("--prompt and --prompt-name exclude each other");
  }
  if (options.prompt) {
    settings->prompts.default_prompt = *options.prompt;
    return {};
  }
  const auto name = options.prompt_name ? options.prompt_name : folder.default_prompt_name;
  if (!name) return {};
  const auto found = folder.prompts.find(*name);
  if (found != folder.prompts.end()) {
    settings->prompts.default_prompt = found->second;
    return {};
  }
  std::vector<std::string_view> known;
  for (const auto& [key, text] : folder.prompts) known.push_back(key);
  const std::string message =
      fmt::format("unknown prompt name \"{}\"; this model has: {}", *name,
                  known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
  if (options.prompt_name) return invalid_argument_error("--prompt-name: {}", message);
  return data_loss_error("config_sentence_transformers.json: default_prompt_name: {}", message);
}

// One module after the transformer, into the head's spec. The first must be a Pooling.
Status add_module(const checkpoint::Module& module, const EngineOptions& options,
                  Settings* settings) {
  heads::EmbeddingHeadSpec& spec = settings->embedding_head;
  if (const auto* pooling = std::get_if<checkpoint::PoolingModule>(&module)) {
    if (!spec.poolings.empty())
      return unsupported_error("modules.json: more than one Pooling module");
    settings->prompts.pool_prompt = pooling->include_prompt;
    for (const std::string& mode : pooling->modes) {
      WDE_ASSIGN_OR_RETURN(const ops::Pooling parsed, ops::parse_pooling(mode));
      if (options.pooling.empty()) spec.poolings.push_back(parsed);
    }
    return {};
  }
  if (const auto* dense = std::get_if<checkpoint::DenseModule>(&module)) {
    WDE_ASSIGN_OR_RETURN(const ops::Activation activation,
                         ops::parse_activation(dense->activation));
    spec.steps.emplace_back(heads::DenseStep{.in_features = dense->in_features,
                                             .out_features = dense->out_features,
                                             .bias = dense->bias,
                                             .activation = activation,
                                             .weights = dense->weights.get()});
    return {};
  }
  spec.steps.emplace_back(heads::NormalizeStep{});
  return {};
}

Status settle_head(const EngineOptions& options, Settings* settings) {
  heads::EmbeddingHeadSpec& spec = settings->embedding_head;
  if (!options.pooling.empty()) {
    Result<ops::Pooling> pooling = ops::parse_pooling(options.pooling);
    if (!pooling.ok()) return pooling.status().with_context("--pooling");
    spec.poolings.push_back(*pooling);
  }
  for (const checkpoint::Module& module : settings->folder.modules) {
    WDE_RETURN_IF_ERROR(add_module(module, options, settings).with_context(settings->folder.path));
  }
  // sentence-transformers' default for a bare transformer.
  if (spec.poolings.empty()) spec.poolings.push_back(ops::Pooling::kMean);
  // The last Normalize is the output processor's, so that a request can say otherwise.
  bool normalize = false;
  while (!spec.steps.empty() && std::holds_alternative<heads::NormalizeStep>(spec.steps.back())) {
    normalize = true;
    spec.steps.pop_back();
  }
  WDE_ASSIGN_OR_RETURN(const int64_t hidden_size,
                       json::get_int(settings->folder.config, "hidden_size", 0));
  int64_t columns = hidden_size * static_cast<int64_t>(spec.poolings.size());
  for (const heads::Step& step : spec.steps) {
    if (const auto* dense = std::get_if<heads::DenseStep>(&step)) columns = dense->out_features;
  }
  settings->output = {.tasks = {Task::kEmbed, Task::kHidden},
                      .embedding_size = static_cast<int>(columns),
                      .normalize = options.normalize.value_or(normalize)};
  return {};
}

}  // namespace

Result<Settings> settle(checkpoint::ModelFolder folder, const EngineOptions& options,
                        std::shared_ptr<Device> device) {
  Settings settings;
  settings.options = options;
  settings.device = std::move(device);
  settings.folder = std::move(folder);
  for (const std::string& architecture : settings.folder.architectures) {
    settings.architecture = models::find_model(architecture);
    if (settings.architecture != nullptr) break;
  }
  WDE_CHECK(settings.architecture != nullptr);  // the manifest's refusal saw to it
  if (!(options.memory_utilization > 0 && options.memory_utilization <= 1)) {
    return invalid_argument_error("--memory-utilization must be above 0 and at most 1, not {}",
                                  options.memory_utilization);
  }
  WDE_RETURN_IF_ERROR(settle_computation(options, &settings));
  WDE_RETURN_IF_ERROR(settle_parallelism(options, &settings));
  WDE_RETURN_IF_ERROR(settle_limits(options, &settings));
  WDE_RETURN_IF_ERROR(settle_prompts(options, &settings));
  WDE_RETURN_IF_ERROR(settle_head(options, &settings));
  return settings;
}

}  // namespace wde::workflow
