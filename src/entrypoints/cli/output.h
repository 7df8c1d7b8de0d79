// Where results go: a file descriptor behind a buffer. One thread writes;
// stop_after_current_write() may come from another.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/status.h"

namespace wde::cli {

class Output {
 public:
  // "-" is stdout. A file keeps what it holds until the first bytes go to it, so that a run that
  // fails before it has a result costs nobody an earlier one, and leaves no file where none was.
  // Errors: kInvalidArgument (a file that can't be opened for writing), naming it and the flag.
  static Result<std::unique_ptr<Output>> open(const std::string& path,
                                              std::string_view flag = "--output");
  // Takes the descriptor over when kOwned; `name` is for messages.
  enum class Ownership { kOwned, kBorrowed };
  Output(int descriptor, std::string name, Ownership ownership);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Appends; passes full buffers on. Whole lines only: what is in the buffer at a flush is never
  // cut by stop_after_current_write(). Errors: kIoError (a closed pipe, a full disk), naming the
  // place.
  Status write(std::string_view bytes);
  Status flush();
  // Flushes, at the end of a run that succeeded: what a file held before is gone then, also where
  // there was nothing to write.
  Status finish();

  // Can bytes that went out be written again: a regular file that was not opened for appending.
  bool rewritable() const;
  // Overwrites bytes `offset` after the place where this output began. Only when rewritable().
  Status rewrite(uint64_t offset, std::string_view bytes);

  bool is_terminal() const;

  // Waits, at most `patience`, until no write is going on, and lets none begin any more: for a
  // process that is about to end and must not leave half a line behind.
  void stop_after_current_write(std::chrono::milliseconds patience);

 private:
  Status empty();
  Status write_through(std::string_view bytes);
  Status write_error() const;

  const int descriptor_;
  const std::string name_;
  const Ownership ownership_;
  const int64_t begin_;     // the descriptor's position at the start; -1 when it has none
  bool untouched_ = false;  // a file with what it held when it was opened
  bool made_ = false;       // which was nothing: it was not there
  std::string buffer_;
  std::timed_mutex writing_;
};

// An output that is the input would lose what is to be read, and of two outputs that are one file
// one is lost. "-" stands for stdin and stdout; an empty path is none. `role` says in the message
// what the other file is. Errors: kInvalidArgument.
Status check_output_is_not_input(const std::string& output, const std::string& input,
                                 std::string_view flag = "--output",
                                 std::string_view role = "the input");

}  // namespace wde::cli
