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

Result<std::string> answer_line(const TextTokenizer& tokenizer, const Input& input, bool details) {
  constexpr bool kAddSpecialTokens = true;
  if (details) {
    WDE_ASSIGN_OR_RETURN(const std::vector<Token> tokens,
                         tokenizer.tokenize(input, kAddSpecialTokens));
    return token_details_line(tokens);
  }
  WDE_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                       tokenizer.token_ids(input, kAddSpecialTokens));
  return token_ids_line(ids);
}

Status tokenize_lines(const TextTokenizer& tokenizer, InputReader& input, Output& output,
                      bool details) {
  while (true) {
    Result<std::optional<InputLine>> line = input.next();
    if (!line.ok()) {
      // The lines before a malformed one are answered.
      const Status flushed = output.flush();
      return flushed.ok() ? line.status() : flushed;
    }
    if (!line->has_value()) return output.finish();
    const Result<std::string> answer = answer_line(tokenizer, (*line)->input, details);
    if (!answer.ok()) {
      WDE_RETURN_IF_ERROR(output.flush());
      return answer.status().with_context(fmt::format("line {}", (*line)->number));
    }
    WDE_RETURN_IF_ERROR(output.write(*answer));
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
  if (Status distinct = check_output_is_not_input(flags.output, flags.input.path); !distinct.ok())
    return report(context.console, distinct, Phase::kRequest);
  const auto output = Output::open(flags.output);
  if (!output.ok()) return report(context.console, output.status(), Phase::kRequest);
  flags.engine.download_progress = download_progress(context.console);
  const auto tokenizer = TextTokenizer::load(flags.engine);
  context.console.clear();
  if (!tokenizer.ok()) return report(context.console, tokenizer.status(), Phase::kLoad);
  exit_between_lines(context, **output);
  const Status status = tokenize_lines(**tokenizer, **input, **output, flags.details);
  context.signals.on_signal(nullptr);
  return report(context.console, status, Phase::kRequest);
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
