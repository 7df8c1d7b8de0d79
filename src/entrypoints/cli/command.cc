#include "entrypoints/cli/command.h"

#include <unistd.h>

#include <chrono>
#include <utility>

#include "entrypoints/cli/output.h"
#include "entrypoints/cli/progress.h"

namespace wde::cli {

int report(Console& console, const Status& status, entrypoints::Phase phase) {
  if (!status.ok()) console.say(status.message());
  return entrypoints::exit_code(status.code(), phase);
}

int print(Console& console, std::string_view text) {
  const auto output = Output::open("-");
  Status status = output.status();
  if (status.ok()) status = (*output)->write(text);
  if (status.ok()) status = (*output)->flush();
  return report(console, status, entrypoints::Phase::kRequest);
}

void exit_between_lines(Context& context, Output& output) {
  context.signals.on_signal([&output, &console = context.console](int signal) {
    output.stop_after_current_write(std::chrono::milliseconds(200));
    console.clear();
    ::_exit(128 + signal);
  });
}

Status check_model_named(const EngineOptions& options) {
  if (!options.model.empty()) return {};
  return invalid_argument_error(
      "no model is named: -m FOLDER, or a hub id as in "
      "-m sentence-transformers/all-MiniLM-L6-v2");
}

Result<std::unique_ptr<Engine>> load_engine(EngineOptions options, Console& console) {
  WDE_RETURN_IF_ERROR(check_model_named(options));
  options.download_progress = download_progress(console);
  Result<std::unique_ptr<Engine>> engine = Engine::load(options);
  console.clear();
  return engine;
}

}  // namespace wde::cli
