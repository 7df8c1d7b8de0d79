#include "entrypoints/cli/options.h"

#include <CLI/App.hpp>

#include "entrypoints/cli/flag_values.h"

namespace wde::cli {
namespace {

void add_text_flags(CLI::App& app, EngineOptions& options) {
  app.add_option("--max-length", options.max_length, "lower the length limit to N tokens")
      ->type_name("N");
  add_parsed(app, "--truncate", options.over_long, parse_over_long, "{true,error,average}",
             "over-long texts: cut them (true, the default), refuse them (error), or embed their "
             "parts and answer the mean (average)");
  add_parsed(app, "--truncation-side", options.truncation_side, parse_truncation_side,
             "{left,right}", "which end is cut; default right");
  CLI::Option* prompt = app.add_option("--prompt,--default-prompt", options.prompt,
                                       "put this text before every input");
  app.add_option("--prompt-name,--default-prompt-name", options.prompt_name,
                 "put the model's prompt of this name before every input")
      ->excludes(prompt);
  app.add_option("--adapter", options.adapter,
                 "the model's adapter of this name (jina-embeddings-v3: a task); default none");
}

void add_compute_flags(CLI::App& app, EngineOptions& options) {
  app.add_option("--workflow", options.workflow, "force a workflow (see: wde list)");
  app.add_option("--dtype", options.dtype, "f32, bf16, int8 or auto; default auto (f32)");
  app.add_option("--device", options.device, "cpu or auto; default auto");
  app.add_option("--isa", options.isa, "force an instruction set (see: wde list)");
  app.add_option("--attention-backend", options.attention_backend, "force an attention backend");
  app.add_option("--gemm-backend", options.gemm_backend, "force a GEMM backend");
  app.add_option("--executor", options.executor, "simple or double_buffer");
  app.add_option("--pooling", options.pooling, "mean, cls, max or last instead of the model's own");
  add_switch(app, "--normalize", options.normalize,
             "[=true|false] override the model's normalization");
  add_switch(app, "--enable-bidirectional", options.enable_bidirectional,
             "[=true|false] let a decoder's tokens see those behind them, or not");
  add_switch(
      app, "--share-prefixes", options.share_prefixes,
      "[=true|false] what texts of a batch begin with is computed once, where tokens see only "
      "those before them; default: where it can be");
  app.add_option("--rerank-template", options.rerank_template,
                 "how a language model is asked: qwen3-reranker, mxbai-rerank-v2, "
                 "bge-reranker-v2-gemma, or a file in Jinja; default: the model's chat template");
  app.add_option("--true-token", options.true_token,
                 "its answer that counts as yes; default: the model's own, else \"yes\"");
  app.add_option("--false-token", options.false_token, "and as no; without it the logit of yes");
  app.add_option("--step-token", options.step_token,
                 "what ends a step for a process reward model; default <extra_0>");
}

void add_size_flags(CLI::App& app, EngineOptions& options) {
  app.add_option("--max-batch-tokens", options.max_batch_tokens,
                 "tokens in a batch; default 0: as suits the device");
  app.add_option("--max-batch-requests", options.max_batch_requests,
                 "inputs in a batch; default 512");
  app.add_option("--long-text-tokens", options.long_text_tokens,
                 "longer texts are computed alone, in chunks between which others pass; default "
                 "0: half of --max-batch-tokens, at least 2048");
  app.add_option("--max-queued-requests", options.max_queued_requests,
                 "inputs that wait for a batch; default 4096");
  app.add_option("--threads", options.threads, "CPU threads that compute; default: every core");
  app.add_option("--request-threads,--tokenization-workers", options.request_threads,
                 "threads that tokenize; default: as many as --threads");
  app.add_option("--data-parallel", options.data_parallel,
                 "workers that share the weights; default 1");
  app.add_option("--memory-utilization", options.memory_utilization,
                 "share of the memory that may be used; default 0.9");
}

}  // namespace

std::optional<OverLong> parse_over_long(const std::string& text) {
  if (text == "true" || text == "truncate") return OverLong::kTruncate;
  if (text == "false" || text == "error") return OverLong::kError;
  if (text == "average") return OverLong::kAverage;
  return std::nullopt;
}

std::optional<TruncationSide> parse_truncation_side(const std::string& text) {
  if (text == "left" || text == "Left") return TruncationSide::kLeft;
  if (text == "right" || text == "Right") return TruncationSide::kRight;
  return std::nullopt;
}

CLI::Option* add_switch(CLI::App& app, const std::string& name, std::optional<bool>& value,
                        const std::string& description) {
  const auto is_bool = [](const std::string& text) {
    return text == "true" || text == "false" ? std::string()
                                             : "\"" + text + "\" is neither true nor false";
  };
  // CLI11 counts a flag: 1 for --name and --name=true, -1 for --name=false.
  const auto assign = [&value](int64_t count) { value = count > 0; };
  return app.add_flag_function(name, assign, description)
      ->check(is_bool, "")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

void add_task_flag(CLI::App& app, EngineOptions& options) {
  std::string names;
  for (const Task task : all_tasks()) {
    names += (names.empty() ? "{" : ",") + std::string(task_name(task));
  }
  add_parsed(app, "--task", options.task, parse_task, names + "}",
             "take a workflow that serves this task; default: the first that serves the model");
}

void add_model_flags(CLI::App& app, EngineOptions& options) {
  app.add_option("-m,--model,--model-id", options.model,
                 "a folder, a GGUF file, or a hub id that is in the Hugging Face cache or is "
                 "downloaded into it");
  app.add_option("--revision", options.revision, "branch, tag or commit of a hub id");
  app.add_option("--lora", options.lora,
                 "merge this LoRA (a PEFT folder or hub id) into the weights; may be repeated")
      ->type_name("FOLDER")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_engine_flags(CLI::App& app, EngineOptions& options) {
  add_model_flags(app, options);
  add_compute_flags(app, options);
  add_text_flags(app, options);
  add_size_flags(app, options);
}

void add_input_flags(CLI::App& app, InputOptions& options) {
  app.add_option("input", options.path, "a file, each line of it an input; default \"-\", stdin")
      ->type_name("FILE");
  app.add_flag("--jsonl", options.jsonl,
               R"(lines are JSON: a string, ["a","b"], or {"text":…,"text_pair":…})");
}

void add_output_flag(CLI::App& app, std::string& path) {
  app.add_option("-o,--output", path, "write results to this file instead of stdout")
      ->type_name("FILE");
}

}  // namespace wde::cli
