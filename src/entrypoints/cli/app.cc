#include "entrypoints/cli/app.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "base/nearest_name.h"
#include "entrypoints/cli/build_info.h"
#include "entrypoints/cli/command.h"
#include "wde/catalog.h"

namespace wde::cli {
namespace {

using entrypoints::Phase;

struct Command {
  const char* name;
  const char* description;
  Run (*define)(CLI::App& app);
};

constexpr Command kCommands[] = {
    {"embed", "a vector for each line of text", define_embed},
    {"hidden", "the last hidden state of every token", define_hidden},
    {"search", "the nearest texts of a file for each query", define_search},
    {"sparse", "weights of vocabulary entries (SPLADE, bge-m3)", define_sparse},
    {"multivector", "a vector for every token, for late interaction (ColBERT)", define_multivector},
    {"rerank", "how well each line answers a query", define_rerank},
    {"classify", "a score for each label of a text or a pair", define_classify},
    {"classify-tokens", "labelled spans of each text", define_classify_tokens},
    {"tokenize", "token ids of each line", define_tokenize},
    {"serve", "the HTTP server", define_serve},
    {"bench", "throughput and latency, as a table, JSON and a plot", define_bench},
    {"info", "what would be loaded for a model, and the memory it takes", define_info},
    {"list", "workflows, architectures, backends and devices, with reasons", define_list},
};

struct Defined {
  CLI::App* app;
  Run run;
};

// The next file that is opened must not become a standard stream that the caller closed: results
// would go into it. What stands in can't be read or written, so that using it is an error as it
// should be.
void keep_standard_streams_apart() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    [[maybe_unused]] const int opened =
        ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

Status configure_log(bool server) {
  WDE_ASSIGN_OR_RETURN(const log::Level level,
                       log::parse_level(env::get("WDE_LOG").value_or(server ? "info" : "warning")));
  WDE_ASSIGN_OR_RETURN(const log::Format format,
                       log::parse_format(env::get("WDE_LOG_FORMAT").value_or("text")));
  log::configure(level, format);
  return {};
}

std::string main_footer() {
  std::string text = "`wde COMMAND --help` shows a command's flags and examples.\n\nEnvironment:\n";
  for (const env::Variable& variable : env::known_variables()) {
    text += fmt::format("  {:<26}{}\n", variable.name, variable.help);
  }
  return text;
}

std::vector<Defined> define_all(CLI::App& app) {
  app.name("wde");
  app.set_version_flag("-V,--version", fmt::format("wde {} ({})", version(), build_commit()));
  app.require_subcommand(1);
  std::vector<Defined> defined;
  for (const Command& command : kCommands) {
    CLI::App* sub = app.add_subcommand(command.name, command.description);
    defined.push_back({sub, command.define(*sub)});
  }
  app.footer(main_footer);
  return defined;
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command& command : kCommands) names.emplace_back(command.name);
  return names;
}

std::vector<std::string> flag_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string did_you_mean(std::string_view name, std::span<const std::string> known) {
  const std::vector<std::string> nearest = nearest_names(name, known, 1);
  return nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest.front());
}

const Defined* chosen(const std::vector<Defined>& defined) {
  const auto found = std::find_if(defined.begin(), defined.end(),
                                  [](const Defined& command) { return command.app->parsed(); });
  return found == defined.end() ? nullptr : &*found;
}

// CLI11 says what is wrong; which name was meant is ours to add.
std::string explain(const CLI::ParseError& error, const std::vector<Defined>& defined,
                    std::span<const char* const> arguments) {
  const Defined* command = chosen(defined);
  if (command == nullptr) {
    const std::string first = arguments.empty() ? "" : arguments.front();
    if (first.empty())
      return "no command is named: " + fmt::format("{}", fmt::join(command_names(), ", "));
    return fmt::format("there is no {} {}{}", first.starts_with("-") ? "flag" : "command", first,
                       did_you_mean(first, command_names()));
  }
  const std::vector<std::string> extras = command->app->remaining();
  if (dynamic_cast<const CLI::ExtrasError*>(&error) == nullptr || extras.empty())
    return error.what();
  const auto flag = std::find_if(extras.begin(), extras.end(),
                                 [](const std::string& extra) { return extra.starts_with("-"); });
  if (flag == extras.end()) return fmt::format("unexpected argument {}", extras.front());
  const std::string name = flag->substr(0, flag->find('='));
  return fmt::format("wde {} has no flag {}{}", command->app->get_name(), name,
                     did_you_mean(name, flag_names(*command->app)));
}

int help_or_version(const CLI::App& app, const CLI::Success& request, Console& console) {
  if (dynamic_cast<const CLI::CallForVersion*>(&request) != nullptr) {
    return print(console, std::string(request.what()) + "\n");
  }
  return print(console, app.help());
}

int refuse(Console& console, const std::string& explanation, const Defined* command) {
  console.say(explanation);
  console.say(command == nullptr ? "see: wde --help"
                                 : fmt::format("see: wde {} --help", command->app->get_name()));
  return entrypoints::exit_code(StatusCode::kInvalidArgument, Phase::kRequest);
}

}  // namespace

int run(int argc, const char* const* argv) {
  keep_standard_streams_apart();
  SignalWatch signals;
  Console console;
  CLI::App app("WDE, an inference engine for prefill-only models: text in, vectors out.");
  const std::vector<Defined> defined = define_all(app);
  const std::span<const char* const> arguments(argv + 1,
                                               static_cast<size_t>(std::max(0, argc - 1)));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {
    // CLI11 asks for help before it looks at the command: `wde nosuch --help` is no success.
    const bool wrong_command =
        chosen(defined) == nullptr && !std::string_view(arguments.front()).starts_with('-');
    if (wrong_command) return refuse(console, explain(request, defined, arguments), nullptr);
    return help_or_version(app, request, console);
  } catch (const CLI::ParseError& error) {
    return refuse(console, explain(error, defined, arguments), chosen(defined));
  }
  const Defined* command = chosen(defined);
  if (Status log = configure_log(command->app->get_name() == "serve"); !log.ok()) {
    return report(console, log, Phase::kRequest);
  }
  Context context{console, signals};
  return command->run(context);
}

}  // namespace wde::cli
