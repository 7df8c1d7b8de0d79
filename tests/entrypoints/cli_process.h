// Runs the real `wde` as a process of its own, for tests of exit codes, signals and streams.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "entrypoints/cli_pipe.h"

namespace wde::cli::test {

struct Ended {
  int exit_code = -1;  // -1: ended by a signal
  std::string out;
  std::string err;
};

// A running `wde` whose stdin and stdout are pipes and whose stderr is a file.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments) {
    child_ = ::fork();
    if (child_ == 0) become(arguments);
    in_.close_read();
    out_.close_write();
  }
  ~Process() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
  }

  void put(std::string_view bytes) { in_.put(bytes); }
  void close_input() { in_.close_write(); }
  void close_output() { out_.close_read(); }
  // Blocks until a line has come, and returns it.
  std::string read_line() {
    std::string line;
    char c = 0;
    while (::read(out_.read_end(), &c, 1) == 1 && c != '\n') line += c;
    return line;
  }
  void send(int signal) { ::kill(child_, signal); }
  std::string said() const { return content_of(folder_.file("err")); }
  // Blocks until stderr holds the text; false when the process ended without saying it.
  bool await_said(std::string_view text) const {
    bool running = true;
    while (said().find(text) == std::string::npos) {
      if (!running) return false;
      siginfo_t state{};
      ::waitid(P_PID, static_cast<id_t>(child_), &state, WEXITED | WNOHANG | WNOWAIT);
      running = state.si_pid == 0;
      std::this_thread::yield();
    }
    return true;
  }
  // Everything that is left of stdout, and the end.
  Ended wait() {
    Ended ended;
    for (std::string chunk = out_.take(); !chunk.empty(); chunk = out_.take()) ended.out += chunk;
    int state = 0;
    ::waitpid(child_, &state, 0);
    child_ = -1;
    if (WIFEXITED(state)) ended.exit_code = WEXITSTATUS(state);
    ended.err = said();
    return ended;
  }

 private:
  [[noreturn]] void become(std::vector<std::string> arguments) {
    ::dup2(in_.read_end(), STDIN_FILENO);
    ::dup2(out_.write_end(), STDOUT_FILENO);
    ::dup2(::open(folder_.file("err").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
    in_.close_read();
    in_.close_write();
    out_.close_read();
    out_.close_write();
    std::string name = "wde";
    std::vector<char*> pointers = {name.data()};
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    ::execv(WDE_BINARY, pointers.data());
    ::_exit(127);
  }

  TemporaryFolder folder_;
  Pipe in_;
  Pipe out_;
  pid_t child_ = -1;
};

inline Ended run_wde(const std::vector<std::string>& arguments, std::string_view input = "") {
  Process process(arguments);
  process.put(input);
  process.close_input();
  return process.wait();
}

}  // namespace wde::cli::test
