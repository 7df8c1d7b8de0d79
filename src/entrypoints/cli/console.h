// What a command says to a person, on stderr: lines that stay, and one transient line (a progress
// bar) that the next line replaces. Thread-safe. Results never go here.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

namespace wde::cli {

class Console {
 public:
  // `descriptor` stays the caller's.
  explicit Console(int descriptor = 2);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  // Is somebody looking: a transient line is drawn on a terminal only.
  bool is_terminal() const { return terminal_; }

  // Writes "wde: <line>". What stderr refuses is lost: there is nowhere left to say so.
  void say(std::string_view line);
  // Replaces the transient line, cut to the terminal's width; does nothing where there is none.
  void show(std::string_view transient);
  void clear();

 private:
  void write(std::string_view bytes);
  void erase_transient();

  const int descriptor_;
  const bool terminal_;
  std::mutex mutex_;
  bool transient_shown_ = false;
};

}  // namespace wde::cli
