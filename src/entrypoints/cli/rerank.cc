// wde rerank: how well each document answers a query.
#include <CLI/App.hpp>
#include <memory>
#include <string>
#include <utility>

#include "base/status.h"
#include "entrypoints/cli/command.h"
#include "entrypoints/cli/compute.h"
#include "entrypoints/cli/options.h"
#include "entrypoints/cli/sinks.h"

namespace wde::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  wde rerank -m BAAI/bge-reranker-v2-m3 --query "who wrote it?" documents.txt
  wde rerank -m MODEL --query "who wrote it?" documents.txt --no-sort --raw-scores
A line is {"index":i,"score":s}; index counts the documents from 0. Sorted, nothing is written
before the last document.)";

struct RerankFlags : ComputeFlags {
  std::string query;
  bool no_sort = false;
};

Result<Input> pair_with(const std::string& query, Input line) {
  auto* document = std::get_if<std::string>(&line);
  if (document == nullptr) {
    return invalid_argument_error("a document is one text; the query is given by --query");
  }
  return Input(TextPair{query, std::move(*document)});
}

int run_rerank(Context& context, const RerankFlags& flags) {
  return compute(context, flags, [&flags](Output& output, const ModelInfo&) {
    const Ranking ranking = flags.no_sort ? Ranking::kAsTheyCome : Ranking::kSorted;
    return Result<std::unique_ptr<Sink>>(make_rank_sink(output, ranking));
  });
}

}  // namespace

Run define_rerank(CLI::App& app) {
  auto flags = std::make_shared<RerankFlags>();
  flags->request.task = Task::kRerank;
  flags->input_of_line = [options = flags.get()](Input line) {
    return pair_with(options->query, std::move(line));
  };
  app.footer(kExamples);
  app.add_option("-q,--query", flags->query, "the text that documents are ranked for")->required();
  add_input_flags(app, flags->input);
  add_output_flag(app, flags->output);
  app.add_flag("--no-sort", flags->no_sort, "lines in the order of the documents");
  app.add_flag("--raw-scores", flags->request.raw_scores, "logits instead of scores");
  add_engine_flags(app, flags->engine);
  return [flags](Context& context) { return run_rerank(context, *flags); };
}

}  // namespace wde::cli
