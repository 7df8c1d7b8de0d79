// wde classify: a score for each label of a text or a pair of texts.
#include <CLI/App.hpp>
#include <memory>

#include "entrypoints/answer_json.h"
#include "entrypoints/cli/command.h"
#include "entrypoints/cli/compute.h"
#include "entrypoints/cli/options.h"
#include "entrypoints/cli/sinks.h"

namespace wde::cli {

Run define_classify(CLI::App& app) {
  auto flags = std::make_shared<ComputeFlags>();
  flags->request.task = Task::kClassify;
  app.footer(
      "Examples:\n  echo \"a text\" | wde classify -m MODEL\n"
      "  echo '[\"a premise\",\"a hypothesis\"]' | wde classify -m MODEL --jsonl\n"
      "A line is [{\"label\":l,\"score\":s}, …], best first. Scores are softmax, or a sigmoid for "
      "each\n"
      "label of a model with one label or with labels that may hold at once; raw values for "
      "regression.");
  add_input_flags(app, flags->input);
  add_output_flag(app, flags->output);
  app.add_flag("--raw-scores", flags->request.raw_scores, "logits instead of scores");
  add_engine_flags(app, flags->engine);
  return [flags](Context& context) {
    return compute_lines(context, *flags, [](std::string& line, const Response& response) {
      entrypoints::append_labels(line, response.labels);
    });
  };
}

}  // namespace wde::cli
