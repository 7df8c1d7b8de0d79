// wde search: the nearest texts of a file for each query.
#include <unistd.h>

#include <CLI/App.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "base/file.h"
#include "entrypoints/cli/command.h"
#include "entrypoints/cli/flag_values.h"
#include "entrypoints/cli/input.h"
#include "entrypoints/cli/options.h"
#include "entrypoints/cli/output.h"
#include "entrypoints/cli/search_session.h"

namespace wde::cli {
namespace {

using entrypoints::Phase;

constexpr size_t kQueriesTogether = 64;

constexpr const char* kExamples = R"(Examples:
  wde search -m MODEL --corpus passages.txt "how do bees talk?" "cheap travel"
  wde search -m MODEL --corpus passages.txt --index passages.npy < questions.txt
  wde search -m MODEL --corpus passages.jsonl --jsonl --top-k 3 --format json "a question"
  wde search -m MODEL --corpus passages.txt --rerank cross-encoder/ms-marco-MiniLM-L6-v2 "why?"
Brute force: every text's vector is compared; MaxSim where the model gives several for a text, dot
products where it gives sparse ones. --rerank scores the best hits again. --index keeps the vectors:
the file is written when it is not there, and beside it FILE.origin.json, which says of what texts, model and
flags they are; else it is read, and refused where that has changed. Queries get the model's "query"
prompt, texts its "document", "passage" or "corpus" prompt, whichever it names first; --prompt and
--prompt-name stand for both. A query's line is {"query","hits":[{"index","score","text"},…]}.)";

std::optional<Similarity> similarity_or_null(const std::string& name) {
  const Result<Similarity> parsed = parse_similarity(name);
  return parsed.ok() ? std::optional(*parsed) : std::nullopt;
}

std::optional<VectorStorage> parse_storage(const std::string& name) {
  if (name == "f32") return VectorStorage::kF32;
  if (name == "bf16") return VectorStorage::kBF16;
  if (name == "int8") return VectorStorage::kInt8;
  return std::nullopt;
}

std::optional<ReportFormat> parse_format(const std::string& name) {
  if (name == "json") return ReportFormat::kJson;
  if (name == "text") return ReportFormat::kText;
  return std::nullopt;
}

// Before the minutes that embedding a corpus takes.
Status check_files(const SearchFlags& flags) {
  const std::string& output = flags.output;
  const std::string& index = flags.index;
  WDE_RETURN_IF_ERROR(check_output_is_not_input(output, flags.corpus.path));
  if (flags.queries.empty()) WDE_RETURN_IF_ERROR(check_output_is_not_input(output, "-"));
  if (index.empty()) return {};
  WDE_RETURN_IF_ERROR(check_output_is_not_input(output, index, "--output", "the index"));
  WDE_RETURN_IF_ERROR(
      check_output_is_not_input(output, origin_path(index), "--output", "what --index notes"));
  WDE_RETURN_IF_ERROR(check_output_is_not_input(index, flags.corpus.path, "--index", "the corpus"));
  WDE_RETURN_IF_ERROR(check_output_is_not_input(origin_path(index), flags.corpus.path,
                                                "what --index notes,", "the corpus"));
  if (file_exists(index)) return {};
  WDE_RETURN_IF_ERROR(check_origin_is_free(index));
  const std::filesystem::path folder = std::filesystem::path(index).parent_path();
  if (::access(folder.empty() ? "." : folder.c_str(), W_OK) == 0) return {};
  return invalid_argument_error("--index {}: can't be written: {}", index, std::strerror(errno));
}

Status check_flags(const SearchFlags& flags) {
  WDE_RETURN_IF_ERROR(check_model_named(flags.engine));
  if (flags.corpus.path.empty()) return invalid_argument_error("no corpus is named: --corpus FILE");
  if (flags.corpus.path == "-") {
    return invalid_argument_error("--corpus must be a file: stdin is for queries");
  }
  if (flags.top_k < 1) {
    return invalid_argument_error("--top-k must be at least 1, not {}", flags.top_k);
  }
  if (flags.rerank_top < 1) {
    return invalid_argument_error("--rerank-top must be at least 1, not {}", flags.rerank_top);
  }
  return check_files(flags);
}

// Those that are there without waiting, so that a person is answered at once and a file in batches.
Result<std::vector<std::string>> next_queries(InputReader& input) {
  std::vector<std::string> queries;
  do {
    WDE_ASSIGN_OR_RETURN(std::optional<InputLine> line, input.next());
    if (!line) break;
    auto* text = std::get_if<std::string>(&line->input);
    if (text == nullptr) {
      return invalid_argument_error("line {} is a pair; a query is a text", line->number);
    }
    queries.push_back(std::move(*text));
  } while (queries.size() < kQueriesTogether && input.has_line());
  return queries;
}

Status answer_all(SearchSession& search, const SearchFlags& flags, Console& console,
                  Output& output) {
  if (!flags.queries.empty()) {
    WDE_RETURN_IF_ERROR(search.answer(flags.queries, output));
    return output.finish();
  }
  WDE_ASSIGN_OR_RETURN(const auto input, InputReader::open(flags.stdin_queries, console));
  while (true) {
    WDE_ASSIGN_OR_RETURN(const std::vector<std::string> queries, next_queries(*input));
    if (queries.empty()) return output.finish();
    WDE_RETURN_IF_ERROR(search.answer(queries, output));
  }
}

int run_search(Context& context, const SearchFlags& flags) {
  Console& console = context.console;
  if (Status right = check_flags(flags); !right.ok())
    return report(console, right, Phase::kRequest);
  Result<std::vector<std::string>> texts = read_corpus(flags.corpus, console);
  if (!texts.ok()) return report(console, texts.status(), Phase::kRequest);
  const auto output = Output::open(flags.output);
  if (!output.ok()) return report(console, output.status(), Phase::kRequest);
  SearchSession search(console, flags, std::move(texts).value());
  if (Status loaded = search.load(); !loaded.ok()) return report(console, loaded, Phase::kLoad);
  exit_between_lines(context, **output);
  Status status = search.index();
  if (status.ok()) status = answer_all(search, flags, console, **output);
  context.signals.on_signal(nullptr);
  return report(console, status, Phase::kRequest);
}

}  // namespace

Run define_search(CLI::App& app) {
  auto flags = std::make_shared<SearchFlags>();
  app.footer(kExamples);
  app.add_option("query", flags->queries, "queries; without any, each line of stdin is one")
      ->type_name("QUERY");
  app.add_option("--corpus", flags->corpus.path, "the texts, one a line")->type_name("FILE");
  app.add_flag("--jsonl", flags->corpus.jsonl,
               R"(the corpus' lines are JSON: a string, or {"text":…})");
  app.add_option("--index", flags->index,
                 "the texts' vectors: read from this .npy file, or written to it for the next time")
      ->type_name("FILE");
  app.add_option("--top-k", flags->top_k, "hits of a query; default 10")->type_name("K");
  CLI::Option* rerank =
      app.add_option("--rerank", flags->rerank,
                     "a reranker, a folder or a hub id, that scores the best hits again")
          ->type_name("MODEL");
  app.add_option("--rerank-top", flags->rerank_top,
                 "so many hits are scored again, never fewer than --top-k; default 50")
      ->type_name("N")
      ->needs(rerank);
  add_parsed(app, "--similarity", flags->similarity, similarity_or_null,
             "{cosine,dot,euclidean,manhattan}", "default: the model's, else cosine");
  add_parsed(app, "--storage", flags->storage, parse_storage, "{f32,bf16,int8}",
             "how the vectors lie in memory: a half or a quarter of f32, a little less exact");
  app.add_option("--dimensions", flags->dimensions, "compare the first N components (Matryoshka)")
      ->type_name("N");
  add_parsed(app, "--format", flags->format, parse_format, "{json,text}",
             "default: text on a terminal, JSON lines elsewhere");
  add_output_flag(app, flags->output);
  add_task_flag(app, flags->engine);
  add_engine_flags(app, flags->engine);
  return [flags](Context& context) { return run_search(context, *flags); };
}

}  // namespace wde::cli
