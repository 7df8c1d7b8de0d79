// wde sparse: the weights of vocabulary entries.
#include <CLI/App.hpp>
#include <memory>

#include "entrypoints/answer_json.h"
#include "entrypoints/cli/command.h"
#include "entrypoints/cli/compute.h"
#include "entrypoints/cli/options.h"
#include "entrypoints/cli/sinks.h"

namespace wde::cli {

Run define_sparse(CLI::App& app) {
  auto flags = std::make_shared<ComputeFlags>();
  flags->request.task = Task::kSparse;
  app.footer(
      "Examples:\n  echo \"a text\" | wde sparse -m naver/splade-v3\n"
      "  wde sparse -m BAAI/bge-m3 texts.txt -o weights.jsonl\n"
      "A line is [{\"index\":i,\"value\":v}, …], index a token id, by ascending index.");
  add_input_flags(app, flags->input);
  add_output_flag(app, flags->output);
  add_engine_flags(app, flags->engine);
  return [flags](Context& context) {
    return compute_lines(context, *flags, [](std::string& line, const Response& response) {
      entrypoints::append_sparse(line, response.sparse);
    });
  };
}

}  // namespace wde::cli
