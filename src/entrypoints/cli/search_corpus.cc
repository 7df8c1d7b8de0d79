#include "entrypoints/cli/search_corpus.h"

#include <atomic>
#include <boost/crc.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "entrypoints/cli/output.h"
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

// Texts in memory, as the lines they were. Borrows them.
class TextSource final : public LineSource {
 public:
  explicit TextSource(std::span<const std::string> texts) : texts_(texts) {}

  Result<std::optional<InputLine>> next() override {
    if (stopped_ || next_ == texts_.size()) return std::optional<InputLine>();
    const std::string& text = texts_[next_++];
    return std::optional(InputLine{Input(text), next_, text.size()});
  }
  void stop() override { stopped_ = true; }

  uint64_t total_bytes() const {
    uint64_t bytes = 0;
    for (const std::string& text : texts_) bytes += text.size() + 1;  // as lines of a file
    return bytes;
  }

 private:
  const std::span<const std::string> texts_;
  size_t next_ = 0;
  std::atomic<bool> stopped_ = false;
};

std::string over_long_name(const EngineOptions& options) {
  if (options.over_long == OverLong::kAverage) return "average";
  return options.truncation_side == TruncationSide::kLeft ? "cut at the left" : "cut at the right";
}

constexpr std::string_view kChecksum = "checksum of the texts";

Result<json::object> read_origin(const std::string& index) {
  constexpr size_t kMostBytes = size_t{1} << 20;
  const std::string path = origin_path(index);
  WDE_ASSIGN_OR_RETURN(const json::value kept, json::parse_file(path, kMostBytes));
  if (const auto* fields = kept.if_object()) return *fields;
  return data_loss_error("{}: does not say what {} was made of", path, index);
}

// A folder has one name, however it is spelled.
std::string resolved(const std::string& path) {
  std::error_code unresolved;
  const auto canonical = std::filesystem::weakly_canonical(path, unresolved);
  return unresolved ? path : canonical.string();
}

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

Status answer_corpus(Engine& engine, std::span<const std::string> corpus, const Request& request,
                     Sink& sink, Console& console) {
  TextSource texts(corpus);
  StreamTotals totals;
  {
    Progress progress(console, true, texts.total_bytes());
    WDE_RETURN_IF_ERROR(stream(engine, texts, {.fields = request}, sink, progress, &totals)
                            .with_context("--corpus"));
  }
  report_over_long(totals, "texts", engine.info().max_length, console);
  return {};
}

Result<CorpusVectors> CorpusVectors::compute(Engine& engine, std::span<const std::string> corpus,
                                             const Request& request, Console& console) {
  CorpusVectors vectors;
  VectorSink sink(&vectors.computed_);
  WDE_RETURN_IF_ERROR(answer_corpus(engine, corpus, request, sink, console));
  return vectors;
}

std::string corpus_origin(const ModelInfo& info, std::span<const std::string> texts,
                          const Request& request, const EngineOptions& options) {
  boost::crc_32_type checksum;
  for (const std::string& text : texts) checksum.process_bytes(text.c_str(), text.size() + 1);
  std::string prompt = options.prompt.value_or("");
  for (size_t i = 0; i < info.prompt_names.size(); ++i) {
    if (request.prompt_name == info.prompt_names[i]) prompt = info.prompts[i];
  }
  json::value bidirectional = nullptr;  // as the model's files say
  if (options.enable_bidirectional) bidirectional = *options.enable_bidirectional;
  return boost::json::serialize(
      json::object{{"texts", texts.size()},
                   {kChecksum, checksum.checksum()},
                   {"model", resolved(info.path)},
                   {"revision", info.revision},
                   {"dtype", info.dtype},
                   {"pooling", info.pooling},
                   {"normalize", info.normalize},
                   {"LoRA", json::array(options.lora.begin(), options.lora.end())},
                   {"adapter", options.adapter.value_or("")},
                   {"bidirectional attention", bidirectional},
                   {"length limit", info.max_length},
                   {"way with over-long texts", over_long_name(options)},
                   {"prompt", prompt},
                   {"route", info.route},
                   {"dimensions", request.dimensions.value_or(info.embedding_size)}});
}

std::string origin_path(const std::string& index) { return index + ".origin.json"; }

Status write_origin(const std::string& index, const std::string& origin) {
  WDE_ASSIGN_OR_RETURN(const auto output, Output::open(origin_path(index), "--index"));
  WDE_RETURN_IF_ERROR(output->write(origin + "\n"));
  return output->finish();
}

Status check_origin_is_free(const std::string& index) {
  if (!file_exists(origin_path(index))) return {};
  const Result<json::object> kept = read_origin(index);
  if (kept.ok() && kept->contains(kChecksum)) return {};
  return invalid_argument_error("--index {}: {} is there and is no index's", index,
                                origin_path(index));
}

Status check_origin(const std::string& index, const std::string& origin) {
  if (!file_exists(origin_path(index))) return {};
  WDE_ASSIGN_OR_RETURN(const json::object kept, read_origin(index));
  const json::value now = json::parse(origin).value();
  for (const auto& [name, value] : now.get_object()) {
    const auto* was = kept.if_contains(name);
    if (was != nullptr && *was == value) continue;
    return invalid_argument_error(
        "--index {}: was made with another {} ({}, now {}); remove the file to make it anew", index,
        std::string_view(name), was == nullptr ? "-" : boost::json::serialize(*was),
        boost::json::serialize(value));
  }
  return {};
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
