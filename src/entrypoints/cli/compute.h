// What embed and hidden have in common: open, load, stream, and say what was truncated.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "entrypoints/cli/command.h"
#include "entrypoints/cli/input.h"
#include "entrypoints/cli/output.h"
#include "entrypoints/cli/stream.h"

namespace wde::cli {

struct ComputeFlags {
  EngineOptions engine;
  InputOptions input;
  std::string output = "-";
  Request request;  // but for its input
};

using MakeSink =
    std::function<Result<std::unique_ptr<Sink>>(Output& output, const ModelInfo& info)>;

// Returns the exit code. A signal ends the process at once, after the line that is being written.
int compute(Context& context, const ComputeFlags& flags, const MakeSink& make_sink);

}  // namespace wde::cli
