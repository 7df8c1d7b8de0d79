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
  // "-" is stdout. Errors: kInvalidArgument (a file that can't be opened for writing), naming it.
  static Result<std::unique_ptr<Output>> open(const std::string& path);
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

  // Can bytes that went out be written again: a regular file that was not opened for appending.
  bool rewritable() const;
  // Overwrites bytes `offset` after the place where this output began. Only when rewritable().
  Status rewrite(uint64_t offset, std::string_view bytes);

  bool is_terminal() const;

  // Waits, at most `patience`, until no write is going on, and lets none begin any more: for a
  // process that is about to end and must not leave half a line behind.
  void stop_after_current_write(std::chrono::milliseconds patience);

 private:
  Status write_through(std::string_view bytes);
  Status write_error() const;

  const int descriptor_;
  const std::string name_;
  const Ownership ownership_;
  const int64_t begin_;  // the descriptor's position at the start; -1 when it has none
  std::string buffer_;
  std::timed_mutex writing_;
};

// Opening an output empties it: one that is the input would lose what is to be read. "-" stands for
// stdin and stdout. Errors: kInvalidArgument.
Status check_output_is_not_input(const std::string& output, const std::string& input);

}  // namespace wde::cli
