#include "entrypoints/cli/search_corpus.h"

#include <utility>

#include "entrypoints/cli/progress.h"

namespace wde::cli {
namespace {

class VectorSink : public Sink {
 public:
  explicit VectorSink(std::vector<float>* values) : values_(*values) {}
  Status write(Response response) override {
    values_.insert(values_.end(), response.values.begin(), response.values.end());
    return {};
  }
  Status flush() override { return {}; }
  Status finish() override { return {}; }

 private:
  std::vector<float>& values_;
};

}  // namespace

Result<std::vector<std::string>> read_corpus(const InputOptions& options, Console& console) {
  WDE_ASSIGN_OR_RETURN(const auto reader, InputReader::open(options, console));
  std::vector<std::string> texts;
  while (true) {
    Result<std::optional<InputLine>> line = reader->next();
    if (!line.ok()) return line.status().with_context(options.path);
    if (!line->has_value()) return texts;
    auto* text = std::get_if<std::string>(&(*line)->input);
    if (text == nullptr) {
      return invalid_argument_error("{}: line {} is a pair; a corpus holds texts", options.path,
                                    (*line)->number);
    }
    texts.push_back(std::move(*text));
  }
}

Status answer_corpus(Engine& engine, const InputOptions& corpus, const Request& request, Sink& sink,
                     Console& console) {
  WDE_ASSIGN_OR_RETURN(const auto reader, InputReader::open(corpus, console));
  StreamTotals totals;
  {
    Progress progress(console, true, reader->total_bytes());
    WDE_RETURN_IF_ERROR(stream(engine, *reader, {.fields = request}, sink, progress, &totals)
                            .with_context(corpus.path));
  }
  report_over_long(totals, "texts", engine.info().max_length, console);
  return {};
}

Result<CorpusVectors> CorpusVectors::compute(Engine& engine, const InputOptions& corpus,
                                             const Request& request, Console& console) {
  CorpusVectors vectors;
  VectorSink sink(&vectors.computed_);
  WDE_RETURN_IF_ERROR(answer_corpus(engine, corpus, request, sink, console));
  return vectors;
}

Result<CorpusVectors> CorpusVectors::load(const std::string& path, size_t texts, int64_t columns) {
  WDE_ASSIGN_OR_RETURN(NpyMatrix matrix, NpyMatrix::open(path));
  if (matrix.columns() != columns) {
    return invalid_argument_error("--index {}: vectors of {}, but the model's have {}", path,
                                  matrix.columns(), columns);
  }
  if (static_cast<uint64_t>(matrix.rows()) != texts) {
    return invalid_argument_error("--index {}: {} vectors, but the corpus has {} texts", path,
                                  matrix.rows(), texts);
  }
  CorpusVectors vectors;
  vectors.file_ = std::move(matrix);
  return vectors;
}

}  // namespace wde::cli
