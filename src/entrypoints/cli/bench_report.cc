#include "entrypoints/cli/bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "base/json.h"
#include "entrypoints/cli/progress.h"
#include "entrypoints/cli/svg_plot.h"

namespace wde::cli {
namespace {

json::object to_json(const Spread& spread) {
  return {{"min", spread.min}, {"median", spread.median}, {"max", spread.max}};
}

json::object to_json(const BenchConfig& config) {
  return {{"dtype", config.dtype},
          {"attention_backend", config.attention_backend},
          {"executor", config.executor}};
}

json::object to_json(const BenchRow& row) {
  json::object object = to_json(row.config);
  object["batch_size"] = row.batch_size;
  object["requests_per_round"] = row.requests;
  object["documents_per_s"] = to_json(row.documents_per_s);
  object["tokens_per_s"] = to_json(row.tokens_per_s);
  object["latency_p50_ms"] = to_json(row.latency_p50_ms);
  object["latency_p99_ms"] = to_json(row.latency_p99_ms);
  return object;
}

json::object to_json(const BenchCheck& check) {
  return {{"config", to_json(check.config)},
          {"reference", to_json(check.reference)},
          {"difference", check.difference},
          {"allowed", check.allowed}};
}

std::string machine_line(const BenchReport& report) {
  return fmt::format("{}, {} cores, {} threads", report.cpu, report.cores, report.threads);
}

std::string head(const BenchReport& report) {
  std::string text = fmt::format("{} ({}), {}, on {}\n", report.model, report.architecture,
                                 report.task, machine_line(report));
  text += fmt::format(
      "wde {} ({}), {} texts of {:.0f} … {:.0f} tokens (median {:.0f}), {} round{}: "
      "median [min … max]\n",
      report.version, report.commit, report.texts, report.text_tokens.min, report.text_tokens.max,
      report.text_tokens.median, report.rounds, report.rounds == 1 ? "" : "s");
  for (const BenchCheck& check : report.checks) {
    text += fmt::format("answers of {}: {} {}\n", check.config.name(),
                        check.difference == 0 ? std::string("the same bits as")
                                              : fmt::format("within {:.2g} of", check.difference),
                        check.reference.name());
  }
  return text;
}

}  // namespace

std::string bench_table(const BenchReport& report) {
  size_t attention_width = 9, executor_width = 8;
  for (const BenchRow& row : report.rows) {
    attention_width = std::max(attention_width, row.config.attention_backend.size());
    executor_width = std::max(executor_width, row.config.executor.size());
  }
  std::string text = head(report) + "\n";
  text += fmt::format("{:<6} {:<{}} {:<{}} {:>5} {:>9} {:>21} {:>9} {:>9} {:>9}\n", "dtype",
                      "attention", attention_width, "executor", executor_width, "batch", "docs/s",
                      "[min … max]", "tokens/s", "p50 ms", "p99 ms");
  for (const BenchRow& row : report.rows) {
    const std::string range =
        fmt::format("[{:.1f} … {:.1f}]", row.documents_per_s.min, row.documents_per_s.max);
    text += fmt::format("{:<6} {:<{}} {:<{}} {:>5} {:>9.1f} {:>21} {:>9} {:>9.2f} {:>9.2f}\n",
                        row.config.dtype, row.config.attention_backend, attention_width,
                        row.config.executor, executor_width, row.batch_size,
                        row.documents_per_s.median, range, count_text(row.tokens_per_s.median),
                        row.latency_p50_ms.median, row.latency_p99_ms.median);
  }
  return text;
}

std::string bench_json(const BenchReport& report) {
  json::array checks, rows;
  for (const BenchCheck& check : report.checks) checks.push_back(to_json(check));
  for (const BenchRow& row : report.rows) rows.push_back(to_json(row));
  const json::object all = {
      {"wde", json::object{{"version", report.version}, {"commit", report.commit}}},
      {"machine",
       json::object{
           {"cpu", report.cpu}, {"cores", report.cores}, {"memory_bytes", report.memory_bytes}}},
      {"model", report.model},
      {"architecture", report.architecture},
      {"task", report.task},
      {"threads", report.threads},
      {"texts", json::object{{"count", report.texts}, {"tokens", to_json(report.text_tokens)}}},
      {"rounds", report.rounds},
      {"checks", checks},
      {"results", rows}};
  return boost::json::serialize(all) + "\n";
}

std::string bench_svg(const BenchReport& report) {
  Plot plot{
      .title = fmt::format("Throughput and latency of {}, {}", report.model, report.task),
      .subtitle = fmt::format("{}; {} texts, median {:.0f} tokens; points: requests under way",
                              machine_line(report), report.texts, report.text_tokens.median),
      .x_label = "documents per second (median of rounds)",
      .y_label = "latency p50, ms",
      .series = {}};
  for (const BenchRow& row : report.rows) {
    const std::string name = row.config.name();
    auto series = std::find_if(plot.series.begin(), plot.series.end(),
                               [&](const PlotSeries& known) { return known.name == name; });
    if (series == plot.series.end()) series = plot.series.insert(series, {name, {}});
    series->points.push_back(
        {row.documents_per_s.median, row.latency_p50_ms.median, fmt::format("{}", row.batch_size)});
  }
  return plot_svg(plot);
}

}  // namespace wde::cli
