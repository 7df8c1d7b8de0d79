// wde serve: the HTTP server, with TEI's spellings of flags and environment variables.
#include <arpa/inet.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <array>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "base/env.h"
#include "base/log.h"
#include "base/thread_pool.h"
#include "entrypoints/cli/command.h"
#include "entrypoints/cli/options.h"
#include "entrypoints/http/server.h"

namespace wde::cli {
namespace {

using entrypoints::Phase;

constexpr const char* kExamples = R"(Examples:
  wde serve -m sentence-transformers/all-MiniLM-L6-v2 --port 8080
  curl localhost:8080/embed -H 'content-type: application/json' -d '{"inputs":"a text"}'
Every flag of text-embeddings-inference is also its environment variable: --max-client-batch-size is
MAX_CLIENT_BATCH_SIZE; a flag wins. SIGTERM and Ctrl-C refuse new requests, answer the accepted ones and
end; a second one ends at once.)";

struct ServeFlags {
  EngineOptions engine;
  http::ServerOptions server;
  std::optional<bool> auto_truncate;
  std::optional<bool> json_output;
  std::string dense_path;
  std::optional<int> prometheus_port;
};

// CLI11 takes -1 for a huge unsigned number, and its own check for a positive one speaks of
// doubles.
std::string check_positive(const std::string& text) {
  const bool positive =
      text.find_first_not_of(" +0") != std::string::npos && text.find('-') == std::string::npos;
  return positive ? std::string() : "must be at least 1, not \"" + text + "\"";
}

void add_server_flags(CLI::App& app, ServeFlags& flags) {
  http::ServerOptions& server = flags.server;
  app.add_option("--hostname", server.hostname, "address to listen at; default 0.0.0.0");
  app.add_option("-p,--port", server.port, "port; 0 takes a free one; default 3000")
      ->check(CLI::Range(0, 65535));
  app.add_option("--max-client-batch-size", server.max_client_batch_size,
                 "inputs in a request; default 32")
      ->check(check_positive, "");
  app.add_option("--max-concurrent-requests", server.max_concurrent_requests,
                 "requests under way, one more is answered 429; default 512")
      ->check(check_positive, "");
  app.add_option("--payload-limit", server.payload_limit_bytes,
                 "bytes of a request's body; default 2000000")
      ->check(check_positive, "");
  app.add_option("--api-key", server.api_key, "ask for this key: Authorization: Bearer KEY");
  app.add_option("--served-model-name", server.served_model_name, "the name that answers carry");
  app.add_option("--cors-allow-origin", server.cors_allow_origin,
                 "origins that browsers may call from")
      ->delimiter(',');
  add_switch(app, "--auto-truncate", flags.auto_truncate,
             "[=true|false] cut over-long texts where a request does not say; default true");
  add_switch(app, "--json-output", flags.json_output, "[=true|false] log lines as JSON");
}

void add_hub_flags(CLI::App& app, ServeFlags& flags) {
  app.add_option("--hf-token", flags.engine.hub_token, "access token for the hub");
  app.add_option("--huggingface-hub-cache", flags.engine.hub_cache, "folder of the hub's cache");
  app.add_option("--dense-path", flags.dense_path,
                 "TEI's flag: only its default, 2_Dense, is served");
  app.add_option(
      "--prometheus-port", flags.prometheus_port,
      "TEI's flag: metrics are served at /metrics of --port, so only that port is taken");
}

// Docker and Kubernetes put a machine's name into HOSTNAME, which is no address to listen at.
bool is_ip_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> address;
  return ::inet_pton(AF_INET, text.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
}

// Flags that the command line left out take their environment variable: --max-batch-tokens is
// MAX_BATCH_TOKENS. HF_TOKEN and the cache's variables are read where the hub is.
void take_environment(CLI::App& app) {
  constexpr std::string_view kPrompt = "DEFAULT_PROMPT";
  for (const env::Variable& variable : env::known_variables()) {
    if (!variable.help.starts_with("wde serve --")) continue;
    std::string flag(variable.help.substr(std::string_view("wde serve ").size()));
    CLI::Option* option = app.get_option_no_throw(flag);
    const std::optional<std::string> value = env::get(variable.name);
    if (option == nullptr || option->count() > 0 || !value) continue;
    // Flags that exclude each other; what the command line says wins.
    if (variable.name.starts_with(kPrompt) &&
        app.count("--prompt") + app.count("--prompt-name") > 0)
      continue;
    if (variable.name == "AUTO_TRUNCATE" && app.count("--truncate") > 0) continue;
    if (variable.name == "HOSTNAME" && !is_ip_address(*value)) continue;
    option->add_result(*value);
    option->run_callback();
  }
}

// Once the log is as the flags want it.
void say_what_was_passed_over(const CLI::App& app, const ServeFlags& flags) {
  const std::optional<std::string> hostname = env::get("HOSTNAME");
  if (!hostname || app.count("--hostname") > 0) return;
  log::warning("HOSTNAME is {}, no IP address: listening at {}", *hostname, flags.server.hostname);
}

Status check_flags(const ServeFlags& flags) {
  if (!flags.dense_path.empty() && flags.dense_path != "2_Dense") {
    return invalid_argument_error(
        "--dense-path {}: Dense modules are read from modules.json; another path "
        "can't be chosen",
        flags.dense_path);
  }
  if (flags.prometheus_port && *flags.prometheus_port != flags.server.port) {
    return invalid_argument_error(
        "--prometheus-port {}: metrics are served at /metrics of --port {}", *flags.prometheus_port,
        flags.server.port);
  }
  return check_model_named(flags.engine);
}

// TEI's pooling "splade" is a task here, and computes the whole of a sparse encoder.
Status take_splade(ServeFlags& flags) {
  EngineOptions& engine = flags.engine;
  if (engine.pooling != "splade") return {};
  if (engine.task.value_or(Task::kSparse) != Task::kSparse) {
    return invalid_argument_error("--pooling splade: goes with --task sparse, not {}",
                                  task_name(*engine.task));
  }
  engine.task = Task::kSparse;
  engine.pooling.clear();
  return {};
}

Status configure_log(const ServeFlags& flags) {
  WDE_ASSIGN_OR_RETURN(const log::Level level,
                       log::parse_level(env::get("WDE_LOG").value_or("info")));
  if (flags.json_output.value_or(false)) log::configure(level, log::Format::kJson);
  return {};
}

// Where flags of the engine and of the server say the same thing.
void settle(ServeFlags& flags) {
  if (flags.auto_truncate) {
    flags.engine.over_long = *flags.auto_truncate ? OverLong::kTruncate : OverLong::kError;
  }
  flags.server.over_long = flags.engine.over_long;
  // As many as the engine will start: see EngineOptions.
  const int threads = flags.engine.threads > 0 ? flags.engine.threads : available_cores();
  flags.server.tokenization_workers =
      flags.engine.request_threads > 0 ? flags.engine.request_threads : threads;
}

// Until a signal; then everything accepted is answered.
Status serve_until_signal(Engine& engine, const http::ServerOptions& options,
                          SignalWatch& signals) {
  Result<std::unique_ptr<http::Server>> server = http::Server::start(engine, options);
  if (!server.ok()) return server.status();
  std::promise<void> told_to_end;
  signals.on_signal([&told_to_end](int) { told_to_end.set_value(); });
  log::info("ready at http://{}:{}", options.hostname, (*server)->port());
  told_to_end.get_future().wait();
  log::info("ending: new requests are refused, {} under way are answered", engine.pending());
  (*server)->stop();
  (*server)->wait();
  engine.shutdown();
  return {};
}

int run_serve(Context& context, CLI::App& app, ServeFlags& flags) {
  try {
    take_environment(app);
  } catch (const CLI::ParseError& error) {
    return report(context.console, invalid_argument_error("environment: {}", error.what()),
                  Phase::kRequest);
  }
  if (Status status = check_flags(flags); !status.ok())
    return report(context.console, status, Phase::kRequest);
  if (Status log = configure_log(flags); !log.ok())
    return report(context.console, log, Phase::kRequest);
  say_what_was_passed_over(app, flags);
  if (Status taken = take_splade(flags); !taken.ok())
    return report(context.console, taken, Phase::kRequest);
  settle(flags);
  log::info("loading {}", flags.engine.model);
  Result<std::unique_ptr<Engine>> engine = load_engine(flags.engine, context.console);
  if (!engine.ok()) return report(context.console, engine.status(), Phase::kLoad);
  return report(context.console, serve_until_signal(**engine, flags.server, context.signals),
                Phase::kLoad);
}

}  // namespace

Run define_serve(CLI::App& app) {
  auto flags = std::make_shared<ServeFlags>();
  app.footer(kExamples);
  add_server_flags(app, *flags);
  add_engine_flags(app, flags->engine);
  add_task_flag(app, flags->engine);
  add_hub_flags(app, *flags);
  app.get_option("--auto-truncate")->excludes(app.get_option("--truncate"));
  return [flags, &app](Context& context) { return run_serve(context, app, *flags); };
}

}  // namespace wde::cli
