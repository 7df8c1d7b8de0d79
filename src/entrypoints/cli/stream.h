// From lines to answers: reads ahead within bounds, keeps the engine busy, and hands every answer
// over in the order of the lines. Memory is bounded however long the input is; a line is answered
// as soon as it can be, also when the next one is long in coming.
#pragma once

#include <functional>
#include <string_view>

#include "base/status.h"
#include "entrypoints/cli/input.h"
#include "entrypoints/cli/ordered_answers.h"
#include "entrypoints/cli/progress.h"
#include "wde/engine.h"

namespace wde::cli {

// Takes answers, in order, on the thread that called stream().
class Sink {
 public:
  virtual ~Sink() = default;
  virtual Status write(Response response) = 0;
  // What was written so far goes out now: no further answer is ready.
  virtual Status flush() = 0;
  // After the last answer, also when the input broke off with an error.
  virtual Status finish() = 0;
};

struct StreamTotals {
  uint64_t documents = 0;
  uint64_t tokens = 0;
  uint64_t truncated = 0;
  uint64_t averaged = 0;
};

// Says how many were longer than the limit, and what became of them; nothing where none was.
// `what` they are: "inputs".
void report_over_long(const StreamTotals& totals, std::string_view what, int max_length,
                      Console& console);

// How much may be under way: enough for the executor to pick its batches from, and no more answers
// than fit a fixed share of memory at the model's longest.
OrderedAnswers::Limits stream_limits(const ModelInfo& info, Task task);

// What a line becomes: `fields` with the line's input, or with what `input` makes of it.
struct RequestMaker {
  Request fields;
  std::function<Result<Input>(Input line)> input;  // empty: the line's as it is
};

// Submits what `maker` makes of each line. Blocks. Lines before the first that fails are
// answered, nothing after it; the error names the line. Errors: of the input, of requests, of the
// sink.
Status stream(Engine& engine, LineSource& input, const RequestMaker& maker, Sink& sink,
              Progress& progress, StreamTotals* totals);

}  // namespace wde::cli
