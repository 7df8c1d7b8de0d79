// What `wde search` searches: a file's texts, and their vectors, computed or read from an .npy
// file.
#pragma once

#include <optional>
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

// Hands the answer of each line of the corpus to the sink, a progress bar on the console, and says
// how many were over-long. Errors: of the input and of the engine.
Status answer_corpus(Engine& engine, const InputOptions& corpus, const Request& request, Sink& sink,
                     Console& console);

// Row-major vectors, one a text.
class CorpusVectors {
 public:
  // Embeds the corpus' lines with the fields of `request`. Errors: those of answer_corpus.
  static Result<CorpusVectors> compute(Engine& engine, const InputOptions& corpus,
                                       const Request& request, Console& console);
  // Errors: those of NpyMatrix::open; kInvalidArgument when it is not [texts, columns].
  static Result<CorpusVectors> load(const std::string& path, size_t texts, int64_t columns);

  std::span<const float> values() const { return file_ ? file_->values() : computed_; }

 private:
  std::vector<float> computed_;
  std::optional<NpyMatrix> file_;
};

}  // namespace wde::cli
