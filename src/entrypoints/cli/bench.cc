// wde bench: its flags, its texts, and which of its measurements they ask for.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/thread_pool.h"
#include "entrypoints/cli/bench_memory.h"
#include "entrypoints/cli/bench_profile.h"
#include "entrypoints/cli/bench_report.h"
#include "entrypoints/cli/bench_texts.h"
#include "entrypoints/cli/bench_throughput.h"
#include "entrypoints/cli/bench_tokenize.h"
#include "entrypoints/cli/build_info.h"
#include "entrypoints/cli/command.h"
#include "entrypoints/cli/input.h"
#include "entrypoints/cli/measure.h"
#include "entrypoints/cli/options.h"
#include "entrypoints/cli/output.h"
#include "entrypoints/cli/progress.h"
#include "wde/catalog.h"

namespace wde::cli {
namespace {

using entrypoints::Phase;

constexpr size_t kMostTexts = 256;

struct BenchFlags {
  EngineOptions engine;
  InputOptions input{.path = ""};
  std::vector<int> batch_sizes = {1, 2, 4, 8, 16, 32, 64};
  int rounds = 3;
  double seconds = 0.5;
  bool tokenize = false;
  bool memory = false;
  std::string json_path;
  std::string svg_path;
};

int threads_used(const BenchFlags& flags) {
  return flags.engine.threads > 0 ? flags.engine.threads : available_cores();
}

Result<std::vector<std::string>> read_texts(const BenchFlags& flags, Console& console) {
  const InputOptions& options = flags.input;
  const size_t most = flags.tokenize ? std::numeric_limits<size_t>::max() : kMostTexts;
  if (options.path.empty()) return bench_texts();
  WDE_ASSIGN_OR_RETURN(const std::unique_ptr<InputReader> reader,
                       InputReader::open(options, console));
  std::vector<std::string> texts;
  while (texts.size() < most) {
    WDE_ASSIGN_OR_RETURN(const std::optional<InputLine> line, reader->next());
    if (!line) break;
    const auto* text = std::get_if<std::string>(&line->input);
    if (text == nullptr)
      return invalid_argument_error("line {}: bench takes single texts", line->number);
    texts.push_back(*text);
  }
  if (texts.empty()) return invalid_argument_error("input {}: holds no text", options.path);
  return texts;
}

Status write_to(const std::string& path, const std::string& text, std::string_view flag) {
  WDE_ASSIGN_OR_RETURN(const std::unique_ptr<Output> output, Output::open(path, flag));
  WDE_RETURN_IF_ERROR(output->write(text));
  return output->finish();
}

Status check_lists(const EngineOptions& options) {
  for (const auto& [flag, list] : {std::pair{"--dtype", options.dtype},
                                   {"--attention-backend", options.attention_backend},
                                   {"--executor", options.executor}}) {
    if (list.empty() || !split_at_commas(list).empty()) continue;
    return invalid_argument_error("{}: \"{}\" names nothing", flag, list);
  }
  return {};
}

// Before the minutes that measuring takes.
Status check_reports_can_be_written(const BenchFlags& flags) {
  const std::string& json = flags.json_path;
  const std::string& svg = flags.svg_path;
  WDE_RETURN_IF_ERROR(check_output_is_not_input(json, flags.input.path, "--json"));
  WDE_RETURN_IF_ERROR(check_output_is_not_input(svg, flags.input.path, "--svg"));
  WDE_RETURN_IF_ERROR(check_output_is_not_input(svg, json, "--svg", "the JSON report"));
  if (!json.empty()) WDE_RETURN_IF_ERROR(Output::open(json, "--json").status());
  return svg.empty() ? Status() : Output::open(svg, "--svg").status();
}

// What was found, as a table on stdout and as JSON, where that was asked for.
Status write_found(const BenchFlags& flags, const std::string& table, const std::string& json) {
  if (flags.json_path != "-") WDE_RETURN_IF_ERROR(write_to("-", table, "stdout"));
  return flags.json_path.empty() ? Status() : write_to(flags.json_path, json, "--json");
}

// Where the time goes, configuration by configuration, instead of how fast each is.
int run_profiles(Context& context, const std::vector<Contestant>& contestants,
                 const std::vector<std::string>& texts, const BenchFlags& flags) {
  std::vector<ProfileReport> reports;
  const Task task = flags.engine.task.value_or(contestants.front().engine->info().tasks.front());
  const std::vector<Request> requests = requests_of(task, texts);
  for (const Contestant& contestant : contestants) {
    context.console.show("profiling " + contestant.config.name());
    Result<ProfileReport> profile = profile_bulk(*contestant.engine, requests, flags.seconds);
    if (!profile.ok()) return report(context.console, profile.status(), Phase::kRequest);
    profile->config = contestant.config.name();
    reports.push_back(std::move(profile).value());
  }
  context.console.clear();
  const Status written = write_found(flags, profile_table(reports), profile_json(reports));
  return report(context.console, written, Phase::kRequest);
}

// Tokenization alone, by one thread and by all: the folder needs no weights.
Result<TokenizeReport> measure_tokenizer(const BenchFlags& flags,
                                         const std::vector<std::string>& texts, Console& console) {
  EngineOptions options = flags.engine;
  options.download_progress = download_progress(console);
  WDE_ASSIGN_OR_RETURN(const std::unique_ptr<TextTokenizer> tokenizer,
                       TextTokenizer::load(options));
  std::vector<int> threads = {1};
  const int most = threads_used(flags);
  if (most > 1) threads.push_back(most);
  console.show("tokenizing");
  WDE_ASSIGN_OR_RETURN(
      TokenizeReport report,
      measure_tokenization(
          *tokenizer,
          {.texts = texts, .threads = threads, .rounds = flags.rounds, .seconds = flags.seconds}));
  report.version = version();
  report.commit = build_commit();
  report.model = flags.engine.model;
  report.cpu = cpu_name();
  report.cores = available_cores();
  return report;
}

int run_tokenization(Context& context, const BenchFlags& flags,
                     const std::vector<std::string>& texts) {
  const Result<TokenizeReport> found = measure_tokenizer(flags, texts, context.console);
  context.console.clear();
  if (!found.ok()) return report(context.console, found.status(), Phase::kLoad);
  const Status written = write_found(flags, tokenize_table(*found), tokenize_json(*found));
  return report(context.console, written, Phase::kRequest);
}

// What is resident beside what was planned, of one precision after the other.
int run_memory(Context& context, const BenchFlags& flags) {
  std::vector<MemoryReport> reports;
  for (const std::string& dtype : split_at_commas(flags.engine.dtype)) {
    EngineOptions options = flags.engine;
    options.dtype = dtype;
    options.download_progress = download_progress(context.console);
    context.console.show("measuring " + dtype);
    Result<MemoryReport> measured = measure_memory(options);
    context.console.clear();
    if (!measured.ok()) return report(context.console, measured.status(), Phase::kLoad);
    reports.push_back(std::move(measured).value());
  }
  const Status written = write_found(flags, memory_table(reports), memory_json(reports));
  return report(context.console, written, Phase::kRequest);
}

int run_throughput(Context& context, const std::vector<Contestant>& contestants,
                   const std::vector<std::string>& texts, const BenchFlags& flags) {
  const Result<BenchReport> found = measure_throughput(contestants, texts,
                                                       {.task = flags.engine.task,
                                                        .threads = threads_used(flags),
                                                        .batch_sizes = flags.batch_sizes,
                                                        .rounds = flags.rounds,
                                                        .seconds = flags.seconds},
                                                       context.console);
  context.console.clear();
  if (!found.ok()) return report(context.console, found.status(), Phase::kRequest);
  Status written = write_found(flags, bench_table(*found), bench_json(*found));
  if (written.ok() && !flags.svg_path.empty()) {
    written = write_to(flags.svg_path, bench_svg(*found), "--svg");
  }
  return report(context.console, written, Phase::kRequest);
}

int run_bench(Context& context, const BenchFlags& flags) {
  if (Status named = check_model_named(flags.engine); !named.ok()) {
    return report(context.console, named, Phase::kRequest);
  }
  if (Status lists = check_lists(flags.engine); !lists.ok())
    return report(context.console, lists, Phase::kRequest);
  if (Status writable = check_reports_can_be_written(flags); !writable.ok())
    return report(context.console, writable, Phase::kRequest);
  if (flags.memory) return run_memory(context, flags);
  const Result<std::vector<std::string>> texts = read_texts(flags, context.console);
  if (!texts.ok()) return report(context.console, texts.status(), Phase::kRequest);
  if (flags.tokenize) return run_tokenization(context, flags, *texts);
  const Result<std::vector<Contestant>> contestants =
      load_contestants(flags.engine, context.console);
  if (!contestants.ok()) return report(context.console, contestants.status(), Phase::kLoad);
  return flags.engine.profile ? run_profiles(context, *contestants, *texts, flags)
                              : run_throughput(context, *contestants, *texts, flags);
}

}  // namespace

Run define_bench(CLI::App& app) {
  auto flags = std::make_shared<BenchFlags>();
  app.footer(
      "Examples:\n  wde bench -m MODEL\n"
      "  wde bench -m MODEL texts.txt --dtype f32,bf16,int8 --json report.json --svg report.svg\n"
      "  wde bench -m MODEL --task hidden\n"
      "  wde bench -m MODEL --tokenize texts.txt\n"
      "  wde bench -m MODEL --memory --dtype f32,bf16 --max-length 512\n"
      "  wde bench -m MODEL --profile --dtype int8 --attention-backend flash --executor simple\n"
      "The task is --task's, else the model's first; reranked are all texts for the first one.\n"
      "--dtype, --attention-backend and --executor take lists; without them every usable backend "
      "and\n"
      "executor is measured. Of a file of texts, the first 256 lines are used, with --tokenize "
      "all.");
  CLI::Option* texts = app.add_option("texts", flags->input.path,
                                      "a file of texts, or - for stdin; default: built-in texts")
                           ->type_name("FILE");
  app.add_flag("--jsonl", flags->input.jsonl, "lines are JSON strings or objects with a \"text\"");
  CLI::Option* batch_sizes = app.add_option("--batch-sizes", flags->batch_sizes,
                                            "requests under way; default 1,2,4,8,16,32,64");
  batch_sizes->delimiter(',')->check(CLI::Range(1, 4096));
  CLI::Option* rounds =
      app.add_option("--rounds", flags->rounds, "times each is measured; default 3")
          ->check(CLI::Range(1, 1000));
  CLI::Option* seconds =
      app.add_option("--seconds", flags->seconds, "least length of a round; default 0.5")
          ->check(CLI::Range(0.001, 3600.0));
  CLI::Option* svg =
      app.add_option("--svg", flags->svg_path, "draw latency over throughput into FILE")
          ->type_name("FILE");
  CLI::Option* profile = app.add_flag("--profile", flags->engine.profile,
                                      "instead: time, GFLOP/s and GB/s by op, all texts under way")
                             ->excludes(svg)
                             ->excludes(batch_sizes)
                             ->excludes(rounds);
  CLI::Option* tokenize =
      app.add_flag("--tokenize", flags->tokenize,
                   "instead: tokenization alone, by one thread and by all; reads no weights")
          ->excludes(svg)
          ->excludes(profile)
          ->excludes(batch_sizes);
  app.add_flag("--memory", flags->memory,
               "instead: the memory that was planned beside what is resident; computes batches of "
               "the largest size and the longest texts")
      ->excludes(texts)
      ->excludes(svg)
      ->excludes(profile)
      ->excludes(tokenize)
      ->excludes(batch_sizes)
      ->excludes(rounds)
      ->excludes(seconds);
  app.add_option("--json", flags->json_path,
                 "write a JSON report to FILE, or instead of the table to -")
      ->type_name("FILE");
  add_engine_flags(app, flags->engine);
  add_task_flag(app, flags->engine);
  for (const char* computing :
       {"--task", "--workflow", "--pooling", "--normalize", "--max-length", "--dtype", "--device",
        "--isa", "--attention-backend", "--gemm-backend", "--executor", "--data-parallel",
        "--memory-utilization", "--max-batch-tokens", "--max-batch-requests", "--long-text-tokens",
        "--max-queued-requests", "--request-threads"}) {
    tokenize->excludes(app.get_option(computing));
  }
  return [flags](Context& context) { return run_bench(context, *flags); };
}

}  // namespace wde::cli
