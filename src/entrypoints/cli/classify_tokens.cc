// wde classify-tokens: labelled spans of each text.
#include <CLI/App.hpp>
#include <memory>

#include "entrypoints/answer_json.h"
#include "entrypoints/cli/command.h"
#include "entrypoints/cli/compute.h"
#include "entrypoints/cli/flag_values.h"
#include "entrypoints/cli/options.h"
#include "entrypoints/cli/sinks.h"

namespace wde::cli {

Run define_classify_tokens(CLI::App& app) {
  auto flags = std::make_shared<ComputeFlags>();
  flags->request.task = Task::kClassifyTokens;
  app.footer(
      "Examples:\n  echo \"Anna lives in Paris\" | wde classify-tokens -m dslim/bert-base-NER\n"
      "  wde classify-tokens -m MODEL texts.txt --aggregation first\n"
      "A line is [{\"start\":b,\"end\":e,\"label\":l,\"score\":s,\"text\":t}, …]; start and end "
      "count code "
      "points.\n"
      "none: every token for itself; simple: neighbours of one label joined; first, average, max: "
      "the\n"
      "same after each word was given one label.");
  add_input_flags(app, flags->input);
  add_output_flag(app, flags->output);
  add_parsed(app, "--aggregation", flags->request.aggregation, parse_aggregation,
             "{none,simple,first,average,max}", "how tokens become spans; default simple");
  add_engine_flags(app, flags->engine);
  return [flags](Context& context) {
    return compute_lines(context, *flags, [](std::string& line, const Response& response) {
      entrypoints::append_spans(line, response.spans);
    });
  };
}

}  // namespace wde::cli
