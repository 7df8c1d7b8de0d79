// wde search: the nearest texts of a file for each query.
#include <CLI/App.hpp>
#include <memory>
#include <utility>

#include "base/file.h"
#include "entrypoints/cli/command.h"
#include "entrypoints/cli/flag_values.h"
#include "entrypoints/cli/input.h"
#include "entrypoints/cli/options.h"
#include "entrypoints/cli/output.h"
#include "entrypoints/cli/search_corpus.h"
#include "entrypoints/cli/search_report.h"
#include "entrypoints/cli/searcher.h"

namespace wde::cli {
namespace {

using entrypoints::Phase;

constexpr size_t kQueriesTogether = 64;

constexpr const char* kExamples = R"(Examples:
  wde search -m MODEL --corpus passages.txt "how do bees talk?" "cheap travel"
  wde search -m MODEL --corpus passages.txt --index passages.npy < questions.txt
  wde search -m MODEL --corpus passages.jsonl --jsonl --top-k 3 --format json "a question"
Brute force: every text's vector is compared. --index keeps the vectors: the file is written when it
is not there, else read, and must fit the corpus and the model. Queries get the model's "query"
prompt, texts its "document", "passage" or "corpus" prompt, whichever it names first; --prompt and
--prompt-name stand for both. A query's line is {"query","hits":[{"index","score","text"},…]}.)";

enum class ReportFormat { kAuto, kJson, kText };

struct SearchFlags {
  EngineOptions engine;
  InputOptions corpus{.path = ""};
  InputOptions stdin_queries;
  std::vector<std::string> queries;
  std::string index;
  std::string output = "-";
  std::optional<Similarity> similarity;
  VectorStorage storage = VectorStorage::kF32;
  std::optional<int> dimensions;
  int64_t top_k = 10;
  ReportFormat format = ReportFormat::kAuto;
};

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

Status check_flags(const SearchFlags& flags) {
  WDE_RETURN_IF_ERROR(check_model_named(flags.engine));
  if (flags.corpus.path.empty()) return invalid_argument_error("no corpus is named: --corpus FILE");
  if (flags.corpus.path == "-") {
    return invalid_argument_error("--corpus must be a file: stdin is for queries");
  }
  if (flags.top_k < 1) {
    return invalid_argument_error("--top-k must be at least 1, not {}", flags.top_k);
  }
  return check_output_is_not_input(flags.output, flags.corpus.path);
}

// What a search needs of one loaded model.
class Search {
 public:
  Search(Context& context, const SearchFlags& flags, std::vector<std::string> texts)
      : context_(context), flags_(flags), texts_(std::move(texts)) {}

  // Loads the model, has the vectors made or read, indexes them.
  Status load() {
    EngineOptions options = flags_.engine;
    options.task = Task::kEmbed;
    WDE_ASSIGN_OR_RETURN(engine_, load_engine(std::move(options), context_.console));
    prompts_ = choose_prompts(engine_->info(), flags_.engine);
    return {};
  }

  Status index() {
    const int columns = engine_->info().embedding_size;
    if (flags_.dimensions && (*flags_.dimensions < 1 || *flags_.dimensions > columns)) {
      return invalid_argument_error("--dimensions {}: the model's vectors have 1 to {}",
                                    *flags_.dimensions, columns);
    }
    columns_ = flags_.dimensions.value_or(columns);
    WDE_ASSIGN_OR_RETURN(vectors_, corpus_vectors());
    IndexOptions options{
        .storage = flags_.storage, .threads = flags_.engine.threads, .isa = flags_.engine.isa};
    WDE_ASSIGN_OR_RETURN(options.similarity, similarity());
    Result<std::unique_ptr<VectorIndex>> index =
        VectorIndex::create(vectors_.values(), columns_, options);
    if (!index.ok()) {
      // Of the flags nothing can be wrong here, so the numbers are.
      return data_loss_error("{}: {}", flags_.index.empty() ? flags_.engine.model : flags_.index,
                             index.status().message());
    }
    index_ = std::move(index).value();
    return {};
  }

  Status answer(std::span<const std::string> queries, Output& output) {
    Searcher searcher(*engine_, *index_, request(prompts_.query), flags_.top_k);
    WDE_ASSIGN_OR_RETURN(const std::vector<std::vector<Hit>> hits, searcher.search(queries));
    const bool text = flags_.format == ReportFormat::kText ||
                      (flags_.format == ReportFormat::kAuto && output.is_terminal());
    const Emphasis emphasis = output.is_terminal() ? Emphasis::kTerminal : Emphasis::kNone;
    for (size_t i = 0; i < queries.size(); ++i) {
      WDE_RETURN_IF_ERROR(output.write(text ? hits_text(queries[i], hits[i], texts_, emphasis)
                                            : hits_json(queries[i], hits[i], texts_)));
    }
    return output.flush();
  }

 private:
  Request request(const std::optional<std::string>& prompt_name) const {
    return {.task = Task::kEmbed, .prompt_name = prompt_name, .dimensions = flags_.dimensions};
  }

  Result<CorpusVectors> corpus_vectors() {
    if (!flags_.index.empty() && file_exists(flags_.index)) {
      return CorpusVectors::load(flags_.index, texts_.size(), columns_);
    }
    WDE_ASSIGN_OR_RETURN(CorpusVectors vectors,
                         CorpusVectors::compute(*engine_, flags_.corpus, request(prompts_.document),
                                                context_.console));
    if (!flags_.index.empty()) {
      WDE_RETURN_IF_ERROR(write_npy(flags_.index, vectors.values(), columns_));
    }
    return vectors;
  }

  Result<Similarity> similarity() const {
    if (flags_.similarity) return *flags_.similarity;
    const std::string& named = engine_->info().similarity;
    return named.empty() ? Result<Similarity>(Similarity::kCosine) : parse_similarity(named);
  }

  Context& context_;
  const SearchFlags& flags_;
  std::vector<std::string> texts_;
  std::unique_ptr<Engine> engine_;
  SearchPrompts prompts_;
  int64_t columns_ = 0;
  CorpusVectors vectors_;
  std::unique_ptr<VectorIndex> index_;
};

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

Status answer_all(Search& search, const SearchFlags& flags, Console& console, Output& output) {
  if (!flags.queries.empty()) return search.answer(flags.queries, output);
  WDE_ASSIGN_OR_RETURN(const auto input, InputReader::open(flags.stdin_queries, console));
  while (true) {
    WDE_ASSIGN_OR_RETURN(const std::vector<std::string> queries, next_queries(*input));
    if (queries.empty()) return output.flush();
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
  Search search(context, flags, std::move(texts).value());
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
  add_parsed(app, "--similarity", flags->similarity, similarity_or_null,
             "{cosine,dot,euclidean,manhattan}", "default: the model's, else cosine");
  add_parsed(app, "--storage", flags->storage, parse_storage, "{f32,bf16,int8}",
             "how the vectors lie in memory: a half or a quarter of f32, a little less exact");
  app.add_option("--dimensions", flags->dimensions, "compare the first N components (Matryoshka)")
      ->type_name("N");
  add_parsed(app, "--format", flags->format, parse_format, "{json,text}",
             "default: text on a terminal, JSON lines elsewhere");
  add_output_flag(app, flags->output);
  add_engine_flags(app, flags->engine);
  return [flags](Context& context) { return run_search(context, *flags); };
}

}  // namespace wde::cli
