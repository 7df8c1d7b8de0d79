#include "entrypoints/cli/bench_throughput.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "base/thread_pool.h"
#include "entrypoints/cli/bench_check.h"
#include "entrypoints/cli/build_info.h"
#include "entrypoints/cli/command.h"
#include "entrypoints/cli/measure.h"
#include "wde/catalog.h"

namespace wde::cli {
namespace {

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

// Answers first, speed later: what computes something else is not compared. A token's label may
// change with the rounding, and with it what spans there are: of another dtype they say nothing.
Result<std::vector<BenchCheck>> check_answers(const std::vector<Contestant>& contestants,
                                              const std::vector<Request>& requests,
                                              Spread* tokens) {
  std::vector<BenchConfig> configs;
  for (const Contestant& contestant : contestants) configs.push_back(contestant.config);
  std::vector<std::vector<Answer>> answers;
  std::vector<BenchCheck> checks;
  for (size_t i = 0; i < contestants.size(); ++i) {
    WDE_ASSIGN_OR_RETURN(std::vector<Answer> own, answer_all(*contestants[i].engine, requests));
    answers.push_back(std::move(own));
    if (i == 0) continue;
    const size_t reference = reference_of(configs, i);
    const bool labels = requests.front().task == Task::kClassifyTokens;
    if (labels && configs[i].dtype != configs[reference].dtype) continue;
    const BenchCheck check =
        compare_answers(configs[i], answers[i], configs[reference], answers[reference]);
    if (!check.passed()) {
      return internal_error("{} answers otherwise than {}: {:.3g} apart, {:.3g} allowed",
                            check.config.name(), check.reference.name(), check.difference,
                            check.allowed);
    }
    checks.push_back(check);
  }
  std::vector<double> counts;
  for (const Answer& answer : answers.front()) counts.push_back(answer.tokens);
  *tokens = spread(counts);
  return checks;
}

// Every round goes through all texts, as often as fill the time, so that each sees the same
// lengths. The first contestant's warm-up decides for all.
Result<size_t> warm_up(const std::vector<Contestant>& contestants,
                       const std::vector<Request>& requests, size_t batch_size, double seconds) {
  double documents_per_s = 0;
  for (const Contestant& contestant : contestants) {
    WDE_ASSIGN_OR_RETURN(const Sample sample,
                         closed_loop(*contestant.engine, requests,
                                     std::max(requests.size() / 4, 2 * batch_size), batch_size));
    if (documents_per_s == 0) documents_per_s = sample.documents_per_s;
  }
  const double least = std::max(seconds * documents_per_s, 2.0 * static_cast<double>(batch_size));
  return requests.size() *
         static_cast<size_t>(std::ceil(least / static_cast<double>(requests.size())));
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
                                                 const std::vector<Request>& requests,
                                                 int batch_size, const ThroughputOptions& options,
                                                 Console& console) {
  const auto in_flight = static_cast<size_t>(batch_size);
  console.show(fmt::format("batch size {}: warming up", batch_size));
  WDE_ASSIGN_OR_RETURN(const size_t count,
                       warm_up(contestants, requests, in_flight, options.seconds));
  std::vector<std::vector<Sample>> samples(contestants.size());
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < contestants.size(); ++i) {
      console.show(fmt::format("batch size {}: round {} of {}: {}", batch_size, round + 1,
                               options.rounds, contestants[i].config.name()));
      WDE_ASSIGN_OR_RETURN(const Sample sample,
                           closed_loop(*contestants[i].engine, requests, count, in_flight));
      samples[i].push_back(sample);
    }
  }
  std::vector<BenchRow> rows;
  for (size_t i = 0; i < contestants.size(); ++i) {
    rows.push_back(summarise(contestants[i].config, batch_size, count, samples[i]));
  }
  return rows;
}

}  // namespace

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

Result<std::vector<Contestant>> load_contestants(const EngineOptions& options, Console& console) {
  const std::vector<BenchConfig> configs = configurations(options);
  std::vector<Contestant> contestants;
  for (const BenchConfig& config : configs) {
    EngineOptions own = options;
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

Result<BenchReport> measure_throughput(const std::vector<Contestant>& contestants,
                                       const std::vector<std::string>& texts,
                                       const ThroughputOptions& options, Console& console) {
  const ModelInfo& info = contestants.front().engine->info();
  const Task task = options.task.value_or(info.tasks.front());
  const std::vector<Request> requests = requests_of(task, texts);
  BenchReport report{.version = version(),
                     .commit = build_commit(),
                     .model = info.model,
                     .architecture = info.architecture,
                     .task = std::string(task_name(task)),
                     .cpu = cpu_name(),
                     .cores = available_cores(),
                     .threads = options.threads,
                     .memory_bytes = available_memory_bytes(),
                     .texts = texts.size(),
                     .rounds = options.rounds};
  console.show("checking the answers");
  WDE_ASSIGN_OR_RETURN(report.checks, check_answers(contestants, requests, &report.text_tokens));
  for (const int batch_size : options.batch_sizes) {
    WDE_ASSIGN_OR_RETURN(const std::vector<BenchRow> rows,
                         measure_batch_size(contestants, requests, batch_size, options, console));
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

}  // namespace wde::cli
