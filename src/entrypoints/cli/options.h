// The flags that several commands share, each in one place, written straight into the options they
// stand for. What a flag's value means is the engine's business: it names the option in its error.
#pragma once

#include <optional>
#include <string>

#include "entrypoints/cli/input.h"
#include "wde/types.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace wde::cli {

// -m, --revision, --workflow and every flag that decides what is loaded and how it computes.
void add_engine_flags(CLI::App& app, EngineOptions& options);
// --task, for commands that are not one task's own.
void add_task_flag(CLI::App& app, EngineOptions& options);
// Only what finds the model's files: for commands that load no weights.
void add_model_flags(CLI::App& app, EngineOptions& options);

// The input file argument and --jsonl.
void add_input_flags(CLI::App& app, InputOptions& options);
// -o, --output.
void add_output_flag(CLI::App& app, std::string& path);

// --name, --name=true, --name=false; anything else is a parse error.
CLI::Option* add_switch(CLI::App& app, const std::string& name, std::optional<bool>& value,
                        const std::string& description);

// "true" and "truncate" truncate, "false" and "error" refuse, "average" averages.
std::optional<OverLong> parse_over_long(const std::string& text);

}  // namespace wde::cli
