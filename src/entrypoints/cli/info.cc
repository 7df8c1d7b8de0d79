// wde info: what would be loaded, by which modules, and the memory it would take.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "entrypoints/cli/command.h"
#include "entrypoints/cli/options.h"
#include "entrypoints/cli/progress.h"

namespace wde::cli {
namespace {

std::string megabytes(size_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

std::string weights_text(const ModelInfo& info) {
  if (info.mapped_bytes == 0) return megabytes(info.weight_bytes);
  return fmt::format("{}, {} of them mapped", megabytes(info.weight_bytes),
                     megabytes(info.mapped_bytes));
}

constexpr size_t kShownLabels = 12;

std::string label_list(const ModelInfo& info) {
  if (info.labels.empty()) return "-";
  const std::span<const std::string> shown(info.labels.data(),
                                           std::min(kShownLabels, info.labels.size()));
  return fmt::format(
      "{}{}", fmt::join(shown, ", "),
      info.labels.size() > shown.size() ? fmt::format(", … ({} in all)", info.labels.size()) : "");
}

std::string info_table(const ModelInfo& info) {
  std::vector<std::string> tasks;
  for (const Task task : info.tasks) tasks.emplace_back(task_name(task));
  std::vector<std::pair<std::string, std::string>> rows = {
      {"model", info.model},
      {"path", info.path},
      {"revision", info.revision.empty() ? "-" : info.revision},
      {"architecture", info.architecture},
      {"tasks", fmt::format("{}", fmt::join(tasks, ", "))},
      {"dtype", info.dtype},
      {"device", info.device},
      {"pooling", info.pooling.empty() ? "-" : info.pooling},
      {"normalize", info.normalize ? "yes" : "no"},
      {"similarity", info.similarity.empty() ? "-" : info.similarity},
      {"labels", label_list(info)},
      {"hidden size", fmt::format("{}", info.hidden_size)},
      {"embedding size", info.embedding_size > 0 ? fmt::format("{}", info.embedding_size) : "-"},
      {"sparse size", info.sparse_size > 0 ? fmt::format("{}", info.sparse_size) : "-"},
      {"length limit", fmt::format("{} tokens", info.max_length)},
      {"batch limit",
       fmt::format("{} tokens, {} inputs", info.max_batch_tokens, info.max_batch_requests)},
      {"long texts", info.max_length > info.long_text_tokens
                         ? fmt::format("over {} tokens, in chunks", info.long_text_tokens)
                         : "-"},
      {"prompts",
       info.prompt_names.empty() ? "-" : fmt::format("{}", fmt::join(info.prompt_names, ", "))},
      {"weights", weights_text(info)},
      {"workspace", megabytes(info.workspace_bytes)},
      {"tokenizer", info.tokenizer_bytes > 0 ? megabytes(info.tokenizer_bytes) : "-"},
      {"waiting texts", "at most " + megabytes(info.queue_bytes)},
      {"memory allowed", megabytes(info.memory_limit_bytes)},
  };
  if (!info.routes.empty()) {
    rows.emplace_back("route", fmt::format("{} of {}", info.route, fmt::join(info.routes, ", ")));
  }
  std::string text;
  for (const auto& [name, value] : rows) text += fmt::format("{:<16}{}\n", name, value);
  text += "modules\n";
  for (const ChosenModule& module : info.modules)
    text += fmt::format("  {:<22}{}\n", module.slot, module.name);
  return text;
}

std::string info_json(const ModelInfo& info) {
  json::array tasks, prompts, labels, routes;
  for (const std::string& route : info.routes) routes.emplace_back(route);
  for (const std::string& label : info.labels) labels.emplace_back(label);
  for (const Task task : info.tasks) tasks.emplace_back(task_name(task));
  for (const std::string& prompt : info.prompt_names) prompts.emplace_back(prompt);
  json::object modules;
  for (const ChosenModule& module : info.modules) modules[module.slot] = module.name;
  const json::object all = {{"model", info.model},
                            {"path", info.path},
                            {"revision", info.revision},
                            {"architecture", info.architecture},
                            {"tasks", tasks},
                            {"dtype", info.dtype},
                            {"device", info.device},
                            {"pooling", info.pooling},
                            {"normalize", info.normalize},
                            {"similarity", info.similarity},
                            {"route", info.route},
                            {"routes", routes},
                            {"labels", labels},
                            {"hidden_size", info.hidden_size},
                            {"embedding_size", info.embedding_size},
                            {"sparse_size", info.sparse_size},
                            {"vocab_size", info.vocab_size},
                            {"max_length", info.max_length},
                            {"max_batch_tokens", info.max_batch_tokens},
                            {"max_batch_requests", info.max_batch_requests},
                            {"long_text_tokens", info.long_text_tokens},
                            {"prompt_names", prompts},
                            {"weight_bytes", info.weight_bytes},
                            {"mapped_bytes", info.mapped_bytes},
                            {"workspace_bytes", info.workspace_bytes},
                            {"tokenizer_bytes", info.tokenizer_bytes},
                            {"queue_bytes", info.queue_bytes},
                            {"memory_limit_bytes", info.memory_limit_bytes},
                            {"modules", modules}};
  return boost::json::serialize(all) + "\n";
}

int run_info(Context& context, EngineOptions& options, bool as_json) {
  using entrypoints::Phase;
  if (Status named = check_model_named(options); !named.ok()) {
    return report(context.console, named, Phase::kRequest);
  }
  options.download_progress = download_progress(context.console);
  const Result<ModelInfo> info = Engine::plan(options);
  context.console.clear();
  if (!info.ok()) return report(context.console, info.status(), Phase::kLoad);
  return print(context.console, as_json ? info_json(*info) : info_table(*info));
}

}  // namespace

Run define_info(CLI::App& app) {
  struct InfoFlags {
    EngineOptions engine;
    bool json = false;
  };
  auto flags = std::make_shared<InfoFlags>();
  app.footer("Examples:\n  wde info -m MODEL\n  wde info -m MODEL --dtype bf16 --json");
  add_engine_flags(app, flags->engine);
  add_task_flag(app, flags->engine);
  app.add_flag("--json", flags->json, "one JSON object instead of a table");
  return [flags](Context& context) { return run_info(context, flags->engine, flags->json); };
}

}  // namespace wde::cli
