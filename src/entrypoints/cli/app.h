// The command line of `wde`: the table of commands, --help, --version, and what is said about a
// wrong one.
#pragma once

namespace wde::cli {

// Runs one command and returns the process's exit code. Call once, before any thread is started.
int run(int argc, const char* const* argv);

}  // namespace wde::cli
