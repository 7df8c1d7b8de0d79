// The inputs of a command: lines of a file or of stdin, each a text or, with --jsonl, JSON. Bytes
// from outside: any line is possible. Read by one thread; stop() may come from any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "entrypoints/cli/console.h"
#include "entrypoints/cli/signals.h"
#include "wde/types.h"

namespace wde::cli {

// Splits a stream of bytes into lines as they arrive: a line is handed out as soon as its end was
// read.
class LineReader {
 public:
  // Borrows the descriptor. Lines longer than max_line_bytes are an error.
  LineReader(int descriptor, size_t max_line_bytes);

  // The next line without its "\n" or "\r\n"; a last line without one counts. Blocks; nullopt at
  // the end and after stop(). Errors: kInvalidArgument (too long), kIoError.
  Result<std::optional<std::string>> next();
  // Is there a whole line that next() would return without waiting.
  bool has_line() const { return buffer_.find('\n', begin_) != std::string::npos; }
  void stop() { stop_.set(); }

 private:
  Result<bool> fill();
  std::string take(size_t end);

  const int descriptor_;
  const size_t max_line_bytes_;
  StopEvent stop_;
  std::string buffer_;
  size_t begin_ = 0;    // of the current line in buffer_
  size_t scanned_ = 0;  // no line end lies between begin_ and here
  bool at_end_ = false;
};

// A string, ["a","b"], or {"text": …, "text_pair": …}; other members of an object are metadata that
// the caller keeps beside the text. Errors: kInvalidArgument.
Result<Input> parse_jsonl(std::string_view line);

struct InputLine {
  Input input;
  uint64_t number = 0;  // from 1
  size_t bytes = 0;     // as read, without its end
};

struct InputOptions {
  std::string path = "-";  // "-" is stdin
  bool jsonl = false;
  size_t max_line_bytes = size_t{64} << 20;
};

// What stream() reads.
class LineSource {
 public:
  virtual ~LineSource() = default;
  // Blocks; nullopt at the end and after stop(), which may come from any thread. Errors name the
  // line.
  virtual Result<std::optional<InputLine>> next() = 0;
  virtual void stop() = 0;
};

class InputReader final : public LineSource {
 public:
  // Errors: kInvalidArgument (a file that does not exist or can't be read), naming it.
  static Result<std::unique_ptr<InputReader>> open(const InputOptions& options, Console& console);
  InputReader(int descriptor, const InputOptions& options, Console& console);
  ~InputReader() override;
  InputReader(const InputReader&) = delete;
  InputReader& operator=(const InputReader&) = delete;

  // Blocks; nullopt at the end and after stop(). Invalid UTF-8 becomes U+FFFD, which is said once.
  // Errors: kInvalidArgument (a malformed line, too long a line), kIoError; each names the line.
  Result<std::optional<InputLine>> next() override;
  bool has_line() const { return lines_.has_line(); }
  void stop() override { lines_.stop(); }

  // Of a regular file; unset for a pipe or a terminal.
  std::optional<uint64_t> total_bytes() const;

 private:
  const int descriptor_;
  const InputOptions options_;
  Console& console_;
  LineReader lines_;
  uint64_t number_ = 0;
  bool told_of_invalid_utf8_ = false;
};

}  // namespace wde::cli
