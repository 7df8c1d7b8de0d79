// wde tokenize: token ids, or tokens with their place in the text. Reads no weights.
#include <CLI/App.hpp>
#include <memory>
#include <vector>

#include "entrypoints/cli/command.h"
#include "entrypoints/cli/input.h"
#include "entrypoints/cli/options.h"
#include "entrypoints/cli/output.h"
#include "entrypoints/cli/progress.h"
#include "entrypoints/cli/token_lines.h"

namespace wde::cli {
namespace {

struct TokenizeFlags {
  EngineOptions engine;
  InputOptions input;
  std::string output = "-";
  bool details = false;
};

Status tokenize_lines(const TextTokenizer& tokenizer, InputReader& input, Output& output,
                      bool details) {
  while (true) {
    Result<std::optional<InputLine>> line = input.next();
    if (!line.ok()) {
      // The lines before a malformed one are answered.
      const Status flushed = output.flush();
      return flushed.ok() ? line.status() : flushed;
    }
    if (!line->has_value()) return output.flush();
    const Result<std::vector<Token>> tokens =
        tokenizer.tokenize((*line)->input, /*add_special_tokens=*/true);
    if (!tokens.ok()) return tokens.status().with_context(fmt::format("line {}", (*line)->number));
    WDE_RETURN_IF_ERROR(
        output.write(details ? token_details_line(*tokens) : token_ids_line(*tokens)));
    if (!input.has_line()) WDE_RETURN_IF_ERROR(output.flush());
  }
}

int run_tokenize(Context& context, TokenizeFlags& flags) {
  using entrypoints::Phase;
  if (Status named = check_model_named(flags.engine); !named.ok()) {
    return report(context.console, named, Phase::kRequest);
  }
  const auto input = InputReader::open(flags.input, context.console);
  if (!input.ok()) return report(context.console, input.status(), Phase::kRequest);
  const auto output = Output::open(flags.output);
  if (!output.ok()) return report(context.console, output.status(), Phase::kRequest);
  flags.engine.download_progress = download_progress(context.console);
  const auto tokenizer = TextTokenizer::load(flags.engine);
  context.console.clear();
  if (!tokenizer.ok()) return report(context.console, tokenizer.status(), Phase::kLoad);
  return report(context.console, tokenize_lines(**tokenizer, **input, **output, flags.details),
                Phase::kRequest);
}

}  // namespace

Run define_tokenize(CLI::App& app) {
  auto flags = std::make_shared<TokenizeFlags>();
  app.footer(
      "Examples:\n  echo \"a text\" | wde tokenize -m MODEL\n"
      "  wde tokenize -m MODEL texts.txt --details\n"
      "Special tokens are added; nothing is truncated or padded, and no prompt is put in front.\n"
      "--details: start and end count code points of the line; null for special tokens.");
  add_input_flags(app, flags->input);
  add_output_flag(app, flags->output);
  app.add_flag("--details", flags->details, "objects {id,text,special,start,end} instead of ids");
  add_model_flags(app, flags->engine);
  return [flags](Context& context) { return run_tokenize(context, *flags); };
}

}  // namespace wde::cli
