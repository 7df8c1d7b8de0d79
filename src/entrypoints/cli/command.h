// What a command is: it adds its flags to a sub-parser and gives back what runs once they are
// parsed. One file a command; app.cc holds the table of them.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/status.h"
#include "entrypoints/cli/console.h"
#include "entrypoints/cli/signals.h"
#include "entrypoints/status_map.h"
#include "wde/engine.h"

namespace CLI {
class App;
}

namespace wde::cli {

class Output;

struct Context {
  Console& console;
  SignalWatch& signals;
};

// Runs on the main thread; returns the exit code.
using Run = std::function<int(Context&)>;

// Each adds its flags, description and examples to `app`, which outlives the run.
Run define_embed(CLI::App& app);
Run define_hidden(CLI::App& app);
Run define_sparse(CLI::App& app);
Run define_multivector(CLI::App& app);
Run define_rerank(CLI::App& app);
Run define_classify(CLI::App& app);
Run define_classify_tokens(CLI::App& app);
Run define_tokenize(CLI::App& app);
Run define_info(CLI::App& app);
Run define_list(CLI::App& app);
Run define_bench(CLI::App& app);
Run define_serve(CLI::App& app);
Run define_search(CLI::App& app);

// Says what went wrong, if anything did, and returns the exit code.
int report(Console& console, const Status& status, entrypoints::Phase phase);

// Writes `text` to stdout and returns the exit code.
int print(Console& console, std::string_view text);

// Engine::load with a progress bar for downloads. Errors: as there, and kInvalidArgument without a
// model.
Result<std::unique_ptr<Engine>> load_engine(EngineOptions options, Console& console);
// From here on, and until context.signals.on_signal(nullptr), a signal ends the process after the
// write to `output` that is under way: no line is cut. A reader who takes nothing is not waited
// for.
void exit_between_lines(Context& context, Output& output);

// Ok when a model is named.
Status check_model_named(const EngineOptions& options);

}  // namespace wde::cli
