// wde hidden: the last hidden state of every token, before pooling.
#include <CLI/App.hpp>
#include <memory>

#include "entrypoints/cli/command.h"
#include "entrypoints/cli/compute.h"
#include "entrypoints/cli/options.h"
#include "entrypoints/cli/sinks.h"

namespace wde::cli {

Run define_hidden(CLI::App& app) {
  auto flags = std::make_shared<ComputeFlags>();
  flags->request.task = Task::kHidden;
  app.footer(
      "Examples:\n  echo \"a text\" | wde hidden -m MODEL\n"
      "  wde hidden -m MODEL texts.txt -o states.jsonl\n"
      "A row for each token, special tokens included: see wde tokenize --details.");
  add_input_flags(app, flags->input);
  add_output_flag(app, flags->output);
  add_engine_flags(app, flags->engine);
  for (const char* of_vectors : {"--pooling", "--normalize"}) {
    app.remove_option(app.get_option(of_vectors));
  }
  return [flags](Context& context) { return compute_lines(context, *flags, &append_token_rows); };
}

}  // namespace wde::cli
