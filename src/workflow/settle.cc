#include "workflow/settle.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "attention/attention.h"
#include "base/env.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "ops/profile.h"
#include "ops/registry.h"
#include "workflow/architecture.h"

namespace wde::workflow {
namespace {

constexpr int kCpuBatchTokens = 4096;
constexpr int kDeviceBatchTokens = 16384;
constexpr int64_t kCpuShardTokens = 128;
// A text that fills most of a batch gains nothing from company. Half of it is a chunk, which every
// layer takes less time for than for a batch of short texts.
constexpr int64_t kLongTextTokens = 2048;
// Beyond any machine; what is meant by more is a mistake.
constexpr int kMaxThreads = 1024;
constexpr int kMaxBatchTokens = 1 << 24;

constexpr Precision kPrecisions[] = {
    {"f32", DType::kF32, ops::WeightFormat::kDType},
    {"bf16", DType::kBF16, ops::WeightFormat::kDType},
    {"int8", DType::kF32, ops::WeightFormat::kInt8},
};

// torch's names of dtypes, as text-embeddings-inference takes them.
std::string_view short_dtype_name(std::string_view name) {
  if (name == "float32") return "f32";
  return name == "bfloat16" ? "bf16" : name;
}

// int8 products take f32 or bf16 and give it back, whichever the rest is faster in.
Result<Precision> settle_precision(const std::string& name, const ops::OpTable& ops) {
  // "auto" is f32: the numbers of sentence-transformers, whatever the checkpoint is stored in.
  if (name.empty() || name == "auto") return kPrecisions[0];
  std::string known = "auto";
  for (Precision precision : kPrecisions) {
    if (precision.weights == ops::WeightFormat::kInt8 && ops.native_bf16) {
      precision.dtype = DType::kBF16;
    }
    if (precision.name == short_dtype_name(name)) return precision;
    known += fmt::format(", {}", precision.name);
  }
  return invalid_argument_error("--dtype: \"{}\" is not computed in; there are: {}", name, known);
}

Status settle_computation(const EngineOptions& options, Settings* settings) {
  const std::string isa = options.isa.empty() ? env::get("WDE_ISA").value_or("") : options.isa;
  WDE_ASSIGN_OR_RETURN(settings->ops, ops::choose_op_table(settings->device->kind(), isa));
  WDE_ASSIGN_OR_RETURN(settings->precision, settle_precision(options.dtype, *settings->ops));
  WDE_ASSIGN_OR_RETURN(settings->executor, execution::choose_executor(options.executor));
  return {};
}

Status check_between(const char* flag, int value, int least, int most) {
  if (value >= least && value <= most) return {};
  return invalid_argument_error("{} must be from {} to {}, not {}", flag, least, most, value);
}

Status check_parallelism(const EngineOptions& options) {
  WDE_RETURN_IF_ERROR(check_between("--threads", options.threads, 0, kMaxThreads));
  WDE_RETURN_IF_ERROR(check_between("--request-threads", options.request_threads, 0, kMaxThreads));
  WDE_RETURN_IF_ERROR(check_between("--data-parallel", options.data_parallel, 1, kMaxThreads));
  WDE_RETURN_IF_ERROR(
      check_between("--max-batch-tokens", options.max_batch_tokens, 0, kMaxBatchTokens));
  WDE_RETURN_IF_ERROR(
      check_between("--max-batch-requests", options.max_batch_requests, 1, kMaxBatchTokens));
  WDE_RETURN_IF_ERROR(
      check_between("--long-text-tokens", options.long_text_tokens, 0, kMaxBatchTokens));
  return check_between("--max-queued-requests", options.max_queued_requests, 1,
                       std::numeric_limits<int>::max());
}

// Threads, workers and the batches they get.
Status settle_parallelism(const EngineOptions& options, Settings* settings) {
  WDE_RETURN_IF_ERROR(check_parallelism(options));
  const bool on_host = settings->device->host_addressable();
  const int threads = options.threads > 0 ? options.threads : available_cores();
  if (options.profile) settings->profile = std::make_shared<ops::Profile>();
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

pipeline::LongTexts settle_long_texts(const EngineOptions& options, int64_t batch_tokens) {
  int64_t tokens = options.long_text_tokens;
  if (tokens == 0) tokens = std::max(kLongTextTokens, batch_tokens / 2);
  constexpr int64_t kUnit = attention::kQueryBlock;
  return {.tokens = tokens, .chunk_rows = std::max(tokens / 2 / kUnit * kUnit, kUnit)};
}

// A batch must hold the longest text that is computed as a whole.
Status settle_batches(const EngineOptions& options, Settings* settings) {
  settings->long_texts = settle_long_texts(options, settings->budget.max_tokens);
  const int64_t longest = settings->longest_whole();
  if (options.max_batch_tokens > 0 && options.max_batch_tokens < longest) {
    const bool by_length = longest == settings->limits.longest();
    return invalid_argument_error(
        "--max-batch-tokens {} is below {}; lower {} too", options.max_batch_tokens,
        by_length ? fmt::format("the length limit of {} tokens", longest)
                  : fmt::format("the {} tokens up to which texts are computed as a whole", longest),
        by_length ? "--max-length" : "--long-text-tokens");
  }
  settings->budget.max_tokens = std::max(settings->budget.max_tokens, longest);
  if (settings->shards.shard_tokens > 0) {
    settings->shards.max_shard_tokens = std::max(settings->shards.shard_tokens, longest) + longest;
  }
  return {};
}

// CLI.md, point 3.
Status settle_limits(const EngineOptions& options, Settings* settings) {
  const checkpoint::ModelFolder& folder = settings->folder;
  const int64_t positions = settings->traits.max_length;
  const int64_t usual =
      settings->traits.usual_length > 0 ? settings->traits.usual_length : positions;
  int64_t length = folder.max_seq_length.value_or(folder.model_max_length.value_or(usual));
  length = std::min(length, positions);
  if (length < 1) return data_loss_error("{}: a length limit of {} tokens", folder.path, length);
  if (options.max_length) {
    if (*options.max_length < 1) return invalid_argument_error("--max-length must be at least 1");
    length = std::min<int64_t>(length, *options.max_length);
  }
  settings->limits = {.max_length = static_cast<int>(length),
                      .vocab_size = settings->traits.vocab_size,
                      .type_vocab_size = settings->traits.type_vocab_size,
                      .padded_length = settings->traits.padded_length,
                      .over_long = options.over_long,
                      .truncation_side = options.truncation_side};
  return {};
}

Status settle_prompts(const EngineOptions& options, Settings* settings) {
  const checkpoint::ModelFolder& folder = settings->folder;
  std::map<std::string, std::string>& prompts = settings->prompts.prompts;
  prompts = folder.prompts;
  // sentence-transformers knows these two as empty prompts where a model names none.
  prompts.try_emplace("query");
  prompts.try_emplace("document");
  // The engine serves one route of a Router: what names another would get this one's vectors.
  for (const std::string& route : folder.routes) {
    if (route == folder.route) {
      prompts.try_emplace(route);
    } else {
      prompts.erase(route);
    }
  }
  if (options.prompt && options.prompt_name) {
    return invalid_argument_error("--prompt and --prompt-name exclude each other");
  }
  if (options.prompt) {
    settings->prompts.default_prompt = *options.prompt;
    return {};
  }
  auto name = options.prompt_name;
  if (!name && folder.default_prompt_name && prompts.contains(*folder.default_prompt_name)) {
    name = folder.default_prompt_name;
  }
  if (!name) return {};
  const auto found = prompts.find(*name);
  if (found == prompts.end()) {
    std::vector<std::string_view> known;
    for (const auto& [key, text] : prompts) known.push_back(key);
    return invalid_argument_error("--prompt-name: unknown prompt name \"{}\"; this model has: {}",
                                  *name, fmt::join(known, ", "));
  }
  settings->prompts.default_prompt = found->second;
  settings->prompts.default_name = *name;
  return {};
}

Status settle_adapters(const EngineOptions& options, Settings* settings) {
  settings->adapters.names = settings->traits.adapters;
  if (!options.adapter) return {};
  const Result<int> adapter = settings->adapters.find(*options.adapter);
  if (!adapter.ok()) return adapter.status().with_context("--adapter");
  settings->adapters.fallback = *adapter;
  return {};
}

}  // namespace

Status refuse_vector_options(const EngineOptions& options, std::string_view workflow) {
  if (!options.pooling.empty()) {
    return invalid_argument_error("--pooling: the workflow {} pools as the model says", workflow);
  }
  if (options.normalize) {
    return invalid_argument_error("--normalize: the workflow {} gives no vectors of its kind",
                                  workflow);
  }
  return {};
}

Result<Settings> settle(checkpoint::ModelFolder folder, const EngineOptions& options,
                        std::shared_ptr<Device> device) {
  Settings settings;
  settings.options = options;
  settings.device = std::move(device);
  settings.folder = std::move(folder);
  WDE_ASSIGN_OR_RETURN(const Architecture architecture, find_architecture(settings.folder));
  settings.architecture = architecture.backbone;
  settings.recipe = architecture.recipe;
  Result<models::ModelTraits> traits = settings.architecture->traits(settings.folder.config);
  if (!traits.ok())
    return traits.status().with_context(settings.folder.transformer_path + "/config.json");
  settings.traits = *traits;
  if (!(options.memory_utilization > 0 && options.memory_utilization <= 1)) {
    return invalid_argument_error("--memory-utilization must be above 0 and at most 1, not {}",
                                  options.memory_utilization);
  }
  WDE_RETURN_IF_ERROR(settle_computation(options, &settings));
  WDE_RETURN_IF_ERROR(settle_parallelism(options, &settings));
  WDE_RETURN_IF_ERROR(settle_limits(options, &settings));
  WDE_RETURN_IF_ERROR(settle_batches(options, &settings));
  WDE_RETURN_IF_ERROR(settle_prompts(options, &settings));
  WDE_RETURN_IF_ERROR(settle_adapters(options, &settings));
  return settings;
}

}  // namespace wde::workflow
