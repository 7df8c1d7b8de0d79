// What the commands that compute have in common: open, load, stream, and say what was over-long.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "entrypoints/cli/command.h"
#include "entrypoints/cli/input.h"
#include "entrypoints/cli/output.h"
#include "entrypoints/cli/sinks.h"
#include "entrypoints/cli/stream.h"

namespace wde::cli {

struct ComputeFlags {
  EngineOptions engine;
  InputOptions input;
  std::string output = "-";
  Request request;                                         // but for its input
  std::function<Result<Input>(Input line)> input_of_line;  // empty: the line's as it is
};

using MakeSink =
    std::function<Result<std::unique_ptr<Sink>>(Output& output, const ModelInfo& info)>;

// Loads what serves the request's task. Returns the exit code. A signal ends the process at once,
// after the line that is being written.
int compute(Context& context, const ComputeFlags& flags, const MakeSink& make_sink);

// The same, a line of JSON for each answer.
int compute_lines(Context& context, const ComputeFlags& flags, AppendAnswer append);

}  // namespace wde::cli
