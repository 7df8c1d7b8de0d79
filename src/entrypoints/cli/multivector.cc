// wde multivector: a vector for every token, for late interaction.
#include <CLI/App.hpp>
#include <memory>

#include "entrypoints/cli/command.h"
#include "entrypoints/cli/compute.h"
#include "entrypoints/cli/options.h"
#include "entrypoints/cli/sinks.h"

namespace wde::cli {

Run define_multivector(CLI::App& app) {
  auto flags = std::make_shared<ComputeFlags>();
  flags->request.task = Task::kMultiVector;
  app.footer(
      "Examples:\n  wde multivector -m colbert-ir/colbertv2.0 documents.txt -o documents.jsonl\n"
      "  echo \"a question\" | wde multivector -m colbert-ir/colbertv2.0 --prompt-name query\n"
      "Texts are documents unless --prompt-name query says that they are queries.");
  add_input_flags(app, flags->input);
  add_output_flag(app, flags->output);
  add_engine_flags(app, flags->engine);
  return [flags](Context& context) { return compute_lines(context, *flags, &append_token_rows); };
}

}  // namespace wde::cli
