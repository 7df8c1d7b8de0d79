// What `wde search` searches: a file's texts, and their vectors, computed or read from an .npy
// file.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "entrypoints/cli/console.h"
#include "entrypoints/cli/input.h"
#include "entrypoints/cli/npy_file.h"
#include "entrypoints/cli/stream.h"
#include "wde/engine.h"

namespace wde::cli {

// Every line's text. Errors: those of InputReader; kInvalidArgument for a pair, naming the line.
Result<std::vector<std::string>> read_corpus(const InputOptions& options, Console& console);

// Hands the answer of each text of the corpus to the sink, a progress bar on the console, and says
// how many were over-long. Errors: of the engine, naming the line.
Status answer_corpus(Engine& engine, std::span<const std::string> corpus, const Request& request,
                     Sink& sink, Console& console);

// What the vectors of a corpus are made of: the texts, and what an engine's vectors depend on. A
// JSON object in a line.
std::string corpus_origin(const ModelInfo& info, std::span<const std::string> texts,
                          const Request& request, const EngineOptions& options);

// The origin is kept beside an index, in a file of its name and ".origin.json". An index without
// that file is somebody's own and taken as it is. Errors: of check_origin, kInvalidArgument naming
// the first field that differs; of check_origin_is_free, the same for a file that is there and
// holds something else.
std::string origin_path(const std::string& index);
Status check_origin_is_free(const std::string& index);
Status write_origin(const std::string& index, const std::string& origin);
Status check_origin(const std::string& index, const std::string& origin);

// Row-major vectors, one a text.
class CorpusVectors {
 public:
  // Embeds the corpus with the fields of `request`. Errors: those of answer_corpus.
  static Result<CorpusVectors> compute(Engine& engine, std::span<const std::string> corpus,
                                       const Request& request, Console& console);
  // Errors: those of NpyMatrix::open; kInvalidArgument when it is not [texts, columns].
  static Result<CorpusVectors> load(const std::string& path, size_t texts, int64_t columns);

  std::span<const float> values() const { return file_ ? file_->values() : computed_; }

 private:
  std::vector<float> computed_;
  std::optional<NpyMatrix> file_;
};

}  // namespace wde::cli
