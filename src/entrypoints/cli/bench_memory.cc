#include "entrypoints/cli/bench_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "base/json.h"

namespace wde::cli {
namespace {

constexpr size_t kMostSlots = 2;  // of a worker, whatever the executor

size_t difference(size_t after, size_t before) { return after - std::min(after, before); }

// Of the longest length, as many as fill every slot behind the small batches that the first
// requests make; neighbouring tokens are as far apart in the vocabulary as lets a batch span it.
std::vector<std::vector<int32_t>> longest_texts(const ModelInfo& info) {
  const int length = std::min(info.max_length, info.max_batch_tokens);
  const int in_batch =
      std::min(info.max_batch_requests, std::max(1, info.max_batch_tokens / length));
  const size_t count = kMostSlots * static_cast<size_t>(in_batch + 1);
  const int step = std::max(1, info.vocab_size / info.max_batch_tokens);
  std::vector<std::vector<int32_t>> texts(count);
  int64_t next = 0;
  for (std::vector<int32_t>& text : texts) {
    for (int i = 0; i < length; ++i, next += step)
      text.push_back(static_cast<int32_t>(next % info.vocab_size));
  }
  return texts;
}

Status run_all(Engine& engine, Task task, const std::vector<std::vector<int32_t>>& texts) {
  std::vector<Request> requests;
  for (const std::vector<int32_t>& ids : texts) {
    Request& request = requests.emplace_back();
    request.task = task;
    request.input = ids;
  }
  for (const Result<Response>& response : engine.run_all(std::move(requests))) {
    if (!response.ok()) return response.status();
  }
  return {};
}

std::string row(std::string_view name, size_t bytes) {
  return fmt::format("  {:<34}{:>12.1f}\n", name, static_cast<double>(bytes) / 1e6);
}

std::string compared(std::string_view name, size_t planned, size_t resident) {
  return fmt::format("  {:<34}{:>12.1f}{:>12.1f}{:>10.3f}\n", name,
                     static_cast<double>(planned) / 1e6, static_cast<double>(resident) / 1e6,
                     static_cast<double>(planned) / static_cast<double>(resident));
}

std::string table(const MemoryReport& report) {
  const ModelInfo& info = report.info;
  std::string text = fmt::format("{}, {}, batches of {} tokens: {} texts\n", info.model, info.dtype,
                                 info.max_batch_tokens, report.texts);
  text += fmt::format("  {:<34}{:>12}{:>12}{:>10}\n", "MB", "planned", "resident", "ratio");
  text += row("weights in memory", info.weight_bytes - info.mapped_bytes);
  text += row("workspace and batches", info.workspace_bytes);
  text += row("tokenizer", info.tokenizer_bytes);
  text += compared("anonymous", report.planned_anonymous_bytes(), report.anonymous_bytes());
  text += compared("mapped tables, of files", info.mapped_bytes, report.file_bytes());
  text +=
      compared("in all", report.planned_bytes(), report.anonymous_bytes() + report.file_bytes());
  text += row("waiting texts, at most", info.queue_bytes);
  text += fmt::format(
      "  without the engine: {:.1f} anonymous, {:.1f} of files; at most, while it "
      "was loaded or ran: {:.1f}\n",
      static_cast<double>(report.before.anonymous_bytes) / 1e6,
      static_cast<double>(report.before.file_bytes) / 1e6,
      static_cast<double>(report.after.peak_bytes) / 1e6);
  return text;
}

json::object to_json(const MemoryReport& report) {
  const ModelInfo& info = report.info;
  return {{"model", info.model},
          {"dtype", info.dtype},
          {"max_batch_tokens", info.max_batch_tokens},
          {"texts", report.texts},
          {"weight_bytes", info.weight_bytes},
          {"mapped_bytes", info.mapped_bytes},
          {"workspace_bytes", info.workspace_bytes},
          {"tokenizer_bytes", info.tokenizer_bytes},
          {"queue_bytes", info.queue_bytes},
          {"planned_bytes", report.planned_bytes()},
          {"resident_anonymous_bytes", report.anonymous_bytes()},
          {"resident_file_bytes", report.file_bytes()},
          {"before_anonymous_bytes", report.before.anonymous_bytes},
          {"before_file_bytes", report.before.file_bytes},
          {"peak_bytes", report.after.peak_bytes},
          {"ratio", report.ratio()}};
}

}  // namespace

size_t MemoryReport::planned_anonymous_bytes() const {
  return info.weight_bytes - info.mapped_bytes + info.workspace_bytes + info.tokenizer_bytes;
}

size_t MemoryReport::planned_bytes() const { return planned_anonymous_bytes() + info.mapped_bytes; }

size_t MemoryReport::anonymous_bytes() const {
  return difference(after.anonymous_bytes, before.anonymous_bytes);
}

size_t MemoryReport::file_bytes() const { return difference(after.file_bytes, before.file_bytes); }

double MemoryReport::ratio() const {
  return static_cast<double>(planned_bytes()) /
         static_cast<double>(std::max<size_t>(1, anonymous_bytes() + file_bytes()));
}

Result<MemoryReport> measure_memory(const EngineOptions& options) {
  MemoryReport report;
  return_free_heap();
  WDE_ASSIGN_OR_RETURN(report.before, read_resident_memory());
  WDE_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, Engine::load(options));
  report.info = engine->info();
  const std::vector<std::vector<int32_t>> texts = longest_texts(report.info);
  report.texts = texts.size();
  for (const Task task : report.info.tasks) {
    WDE_RETURN_IF_ERROR(run_all(*engine, task, texts).with_context(task_name(task)));
  }
  return_free_heap();  // of answers, which were the client's
  WDE_ASSIGN_OR_RETURN(report.after, read_resident_memory());
  return report;
}

std::string memory_table(std::span<const MemoryReport> reports) {
  std::string text;
  for (const MemoryReport& report : reports) text += (text.empty() ? "" : "\n") + table(report);
  return text;
}

std::string memory_json(std::span<const MemoryReport> reports) {
  json::array all;
  for (const MemoryReport& report : reports) all.push_back(to_json(report));
  return boost::json::serialize(all) + "\n";
}

}  // namespace wde::cli
