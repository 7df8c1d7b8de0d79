// wde bench: throughput and latency over batch sizes, executors, attention backends and dtypes.
// Everything compared is loaded at once and takes turns, so that a machine that slows down slows
// all of it.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/thread_pool.h"
#include "entrypoints/cli/bench_check.h"
#include "entrypoints/cli/bench_memory.h"
#include "entrypoints/cli/bench_profile.h"
#include "entrypoints/cli/bench_report.h"
#include "entrypoints/cli/bench_texts.h"
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

struct Contestant {
  BenchConfig config;
  std::unique_ptr<Engine> engine;
};

std::vector<std::string> split_at_commas(const std::string& list) {
  std::vector<std::string> names;
  size_t begin = 0;
  while (begin <= list.size()) {
    const size_t end = std::min(list.find(',', begin), list.size());
    if (end > begin) names.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

// The names that were asked for, else all of the catalog's section that this machine can use.
std::vector<std::string> chosen_or_usable(const std::string& asked,
                                          std::string_view section_title) {
  if (!asked.empty()) return split_at_commas(asked);
  std::vector<std::string> names;
  for (const CatalogSection& section : catalog()) {
    if (section.title != section_title) continue;
    for (const CatalogEntry& entry : section.entries) {
      if (entry.refusal.empty()) names.push_back(entry.name);
    }
  }
  return names;
}

std::vector<BenchConfig> configurations(const EngineOptions& options) {
  std::vector<BenchConfig> configs;
  for (const std::string& dtype : split_at_commas(options.dtype)) {
    for (const std::string& backend :
         chosen_or_usable(options.attention_backend, "attention backends")) {
      for (const std::string& executor : chosen_or_usable(options.executor, "executors")) {
        configs.push_back({dtype, backend, executor});
      }
    }
  }
  return configs;
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

Result<std::vector<Contestant>> load_all(const EngineOptions& options, Console& console) {
  const std::vector<BenchConfig> configs = configurations(options);
  std::vector<Contestant> contestants;
  for (const BenchConfig& config : configs) {
    EngineOptions own = options;
    own.task = Task::kEmbed;
    own.dtype = config.dtype;
    own.attention_backend = config.attention_backend;
    own.executor = config.executor;
    own.memory_utilization /= static_cast<double>(configs.size());
    console.show("loading " + config.name());
    Result<std::unique_ptr<Engine>> engine = load_engine(own, console);
    if (!engine.ok()) return engine.status().with_context(config.name());
    BenchConfig settled = config;
    settled.dtype = (*engine)->info().dtype;
    contestants.push_back({settled, std::move(engine).value()});
  }
  if (contestants.empty())
    return unsupported_error("no attention backend or executor can be used here");
  return contestants;
}

// Answers first, speed later: what computes something else is not compared.
Result<std::vector<BenchCheck>> check_answers(const std::vector<Contestant>& contestants,
                                              const std::vector<std::string>& texts) {
  std::vector<BenchConfig> configs;
  for (const Contestant& contestant : contestants) configs.push_back(contestant.config);
  std::vector<std::vector<std::vector<float>>> answers;
  std::vector<BenchCheck> checks;
  for (size_t i = 0; i < contestants.size(); ++i) {
    WDE_ASSIGN_OR_RETURN(std::vector<std::vector<float>> embeddings,
                         embed_all(*contestants[i].engine, texts));
    answers.push_back(std::move(embeddings));
    if (i == 0) continue;
    const size_t reference = reference_of(configs, i);
    const BenchCheck check =
        compare_answers(configs[i], answers[i], configs[reference], answers[reference]);
    if (!check.passed()) {
      return internal_error("{} answers otherwise than {}: {:.3g} apart, {:.3g} allowed",
                            check.config.name(), check.reference.name(), check.largest_difference,
                            check.allowed);
    }
    checks.push_back(check);
  }
  return checks;
}

Result<Spread> token_counts(const Engine& engine, const std::vector<std::string>& texts) {
  std::vector<double> counts;
  for (const std::string& text : texts) {
    WDE_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, engine.tokenizer().token_ids(text, true));
    counts.push_back(static_cast<double>(
        std::min<size_t>(ids.size(), static_cast<size_t>(engine.info().max_length))));
  }
  return spread(counts);
}

// Every round goes through all texts, as often as fill the time, so that each sees the same
// lengths. The first contestant's warm-up decides for all.
Result<size_t> warm_up(const std::vector<Contestant>& contestants,
                       const std::vector<std::string>& texts, size_t batch_size, double seconds) {
  double documents_per_s = 0;
  for (const Contestant& contestant : contestants) {
    WDE_ASSIGN_OR_RETURN(const Sample sample,
                         closed_loop(*contestant.engine, texts,
                                     std::max(texts.size() / 4, 2 * batch_size), batch_size));
    if (documents_per_s == 0) documents_per_s = sample.documents_per_s;
  }
  const double least = std::max(seconds * documents_per_s, 2.0 * static_cast<double>(batch_size));
  return texts.size() * static_cast<size_t>(std::ceil(least / static_cast<double>(texts.size())));
}

BenchRow summarise(const BenchConfig& config, int batch_size, size_t requests,
                   const std::vector<Sample>& samples) {
  const auto spread_of = [&](double Sample::*member) {
    std::vector<double> values;
    for (const Sample& sample : samples) values.push_back(sample.*member);
    return spread(values);
  };
  return {config,
          batch_size,
          requests,
          spread_of(&Sample::documents_per_s),
          spread_of(&Sample::tokens_per_s),
          spread_of(&Sample::latency_p50_ms),
          spread_of(&Sample::latency_p99_ms)};
}

Result<std::vector<BenchRow>> measure_batch_size(const std::vector<Contestant>& contestants,
                                                 const std::vector<std::string>& texts,
                                                 int batch_size, const BenchFlags& flags,
                                                 Console& console) {
  const auto in_flight = static_cast<size_t>(batch_size);
  console.show(fmt::format("batch size {}: warming up", batch_size));
  WDE_ASSIGN_OR_RETURN(const size_t requests,
                       warm_up(contestants, texts, in_flight, flags.seconds));
  std::vector<std::vector<Sample>> samples(contestants.size());
  for (int round = 0; round < flags.rounds; ++round) {
    for (size_t i = 0; i < contestants.size(); ++i) {
      console.show(fmt::format("batch size {}: round {} of {}: {}", batch_size, round + 1,
                               flags.rounds, contestants[i].config.name()));
      WDE_ASSIGN_OR_RETURN(const Sample sample,
                           closed_loop(*contestants[i].engine, texts, requests, in_flight));
      samples[i].push_back(sample);
    }
  }
  std::vector<BenchRow> rows;
  for (size_t i = 0; i < contestants.size(); ++i) {
    rows.push_back(summarise(contestants[i].config, batch_size, requests, samples[i]));
  }
  return rows;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown CPU";
}

Result<BenchReport> measure_all(const std::vector<Contestant>& contestants,
                                const std::vector<std::string>& texts, const BenchFlags& flags,
                                Console& console) {
  const ModelInfo& info = contestants.front().engine->info();
  BenchReport report{.version = version(),
                     .commit = build_commit(),
                     .model = info.model,
                     .architecture = info.architecture,
                     .cpu = cpu_name(),
                     .cores = available_cores(),
                     .threads = flags.engine.threads > 0 ? flags.engine.threads : available_cores(),
                     .memory_bytes = available_memory_bytes(),
                     .texts = texts.size(),
                     .rounds = flags.rounds};
  WDE_ASSIGN_OR_RETURN(report.text_tokens, token_counts(*contestants.front().engine, texts));
  console.show("checking the answers");
  WDE_ASSIGN_OR_RETURN(report.checks, check_answers(contestants, texts));
  for (const int batch_size : flags.batch_sizes) {
    WDE_ASSIGN_OR_RETURN(const std::vector<BenchRow> rows,
                         measure_batch_size(contestants, texts, batch_size, flags, console));
    report.rows.insert(report.rows.end(), rows.begin(), rows.end());
  }
  // Measured batch size by batch size, read configuration by configuration.
  const auto place = [&](const BenchRow& row) {
    return std::find_if(contestants.begin(), contestants.end(), [&](const Contestant& contestant) {
      return contestant.config.name() == row.config.name();
    });
  };
  std::stable_sort(report.rows.begin(), report.rows.end(),
                   [&](const BenchRow& a, const BenchRow& b) { return place(a) < place(b); });
  return report;
}

Status write_to(const std::string& path, const std::string& text) {
  WDE_ASSIGN_OR_RETURN(const std::unique_ptr<Output> output, Output::open(path));
  WDE_RETURN_IF_ERROR(output->write(text));
  return output->flush();
}

Status write_report(const BenchReport& report, const BenchFlags& flags) {
  if (flags.json_path != "-") WDE_RETURN_IF_ERROR(write_to("-", bench_table(report)));
  if (!flags.json_path.empty()) WDE_RETURN_IF_ERROR(write_to(flags.json_path, bench_json(report)));
  return flags.svg_path.empty() ? Status() : write_to(flags.svg_path, bench_svg(report));
}

// Where the time goes, configuration by configuration, instead of how fast each is.
int run_profiles(Context& context, const std::vector<Contestant>& contestants,
                 const std::vector<std::string>& texts, const BenchFlags& flags) {
  std::vector<ProfileReport> reports;
  for (const Contestant& contestant : contestants) {
    context.console.show("profiling " + contestant.config.name());
    Result<ProfileReport> profile = profile_bulk(*contestant.engine, texts, flags.seconds);
    if (!profile.ok()) return report(context.console, profile.status(), Phase::kRequest);
    profile->config = contestant.config.name();
    reports.push_back(std::move(profile).value());
  }
  context.console.clear();
  Status written;
  if (flags.json_path != "-") written = write_to("-", profile_table(reports));
  if (written.ok() && !flags.json_path.empty()) {
    written = write_to(flags.json_path, profile_json(reports));
  }
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
  const int most = flags.engine.threads > 0 ? flags.engine.threads : available_cores();
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
  Status written;
  if (flags.json_path != "-") written = write_to("-", tokenize_table(*found));
  if (written.ok() && !flags.json_path.empty())
    written = write_to(flags.json_path, tokenize_json(*found));
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
  Status written;
  if (flags.json_path != "-") written = write_to("-", memory_table(reports));
  if (written.ok() && !flags.json_path.empty())
    written = write_to(flags.json_path, memory_json(reports));
  return report(context.console, written, Phase::kRequest);
}

int run_bench(Context& context, const BenchFlags& flags) {
  if (Status named = check_model_named(flags.engine); !named.ok()) {
    return report(context.console, named, Phase::kRequest);
  }
  if (flags.memory) return run_memory(context, flags);
  const Result<std::vector<std::string>> texts = read_texts(flags, context.console);
  if (!texts.ok()) return report(context.console, texts.status(), Phase::kRequest);
  if (flags.tokenize) return run_tokenization(context, flags, *texts);
  const Result<std::vector<Contestant>> contestants = load_all(flags.engine, context.console);
  if (!contestants.ok()) return report(context.console, contestants.status(), Phase::kLoad);
  if (flags.engine.profile) return run_profiles(context, *contestants, *texts, flags);
  const Result<BenchReport> found = measure_all(*contestants, *texts, flags, context.console);
  context.console.clear();
  return report(context.console, found.ok() ? write_report(*found, flags) : found.status(),
                Phase::kRequest);
}

}  // namespace

Run define_bench(CLI::App& app) {
  auto flags = std::make_shared<BenchFlags>();
  app.footer(
      "Examples:\n  wde bench -m MODEL\n"
      "  wde bench -m MODEL texts.txt --dtype f32,bf16,int8 --json report.json --svg report.svg\n"
      "  wde bench -m MODEL --tokenize texts.txt\n"
      "  wde bench -m MODEL --memory --dtype f32,bf16 --max-length 512\n"
      "  wde bench -m MODEL --profile --dtype int8 --attention-backend flash --executor simple\n"
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
  app.add_option("--rounds", flags->rounds, "times each is measured; default 3")
      ->check(CLI::Range(1, 1000));
  app.add_option("--seconds", flags->seconds, "least length of a round; default 0.5")
      ->check(CLI::Range(0.001, 3600.0));
  CLI::Option* svg =
      app.add_option("--svg", flags->svg_path, "draw latency over throughput into FILE")
          ->type_name("FILE");
  CLI::Option* profile = app.add_flag("--profile", flags->engine.profile,
                                      "instead: time, GFLOP/s and GB/s by op, all texts under way")
                             ->excludes(svg);
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
      ->excludes(batch_sizes);
  app.add_option("--json", flags->json_path,
                 "write a JSON report to FILE, or instead of the table to -")
      ->type_name("FILE");
  add_engine_flags(app, flags->engine);
  for (const char* computing :
       {"--workflow", "--dtype", "--device", "--isa", "--attention-backend", "--gemm-backend",
        "--executor", "--data-parallel", "--memory-utilization", "--max-batch-tokens",
        "--max-batch-requests", "--long-text-tokens", "--max-queued-requests",
        "--request-threads"}) {
    tokenize->excludes(app.get_option(computing));
  }
  return [flags](Context& context) { return run_bench(context, *flags); };
}

}  // namespace wde::cli
