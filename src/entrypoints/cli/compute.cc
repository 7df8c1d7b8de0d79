#include "entrypoints/cli/compute.h"

#include <utility>

namespace wde::cli {
namespace {

// Everything of a run that a signal may still need, released in the reverse order.
struct Opened {
  std::unique_ptr<InputReader> input;
  std::unique_ptr<Output> output;
  std::unique_ptr<Engine> engine;
};

Status run_stream(Opened& opened, const ComputeFlags& flags, const MakeSink& make_sink,
                  Console& console) {
  Result<std::unique_ptr<Sink>> sink = make_sink(*opened.output, opened.engine->info());
  if (!sink.ok()) return sink.status();
  StreamTotals totals;
  Status status;
  {
    Progress progress(console, !opened.output->is_terminal(), opened.input->total_bytes());
    status = stream(*opened.engine, *opened.input, {flags.request, flags.input_of_line}, **sink,
                    progress, &totals);
  }
  report_over_long(totals, "inputs", opened.engine->info().max_length, console);
  return status;
}

}  // namespace

int compute(Context& context, const ComputeFlags& flags, const MakeSink& make_sink) {
  using entrypoints::Phase;
  Opened opened;
  // What is wrong with the command line is said before a model is downloaded.
  if (Status named = check_model_named(flags.engine); !named.ok()) {
    return report(context.console, named, Phase::kRequest);
  }
  Result<std::unique_ptr<InputReader>> input = InputReader::open(flags.input, context.console);
  if (!input.ok()) return report(context.console, input.status(), Phase::kRequest);
  opened.input = std::move(input).value();
  if (Status distinct = check_output_is_not_input(flags.output, flags.input.path); !distinct.ok())
    return report(context.console, distinct, Phase::kRequest);
  Result<std::unique_ptr<Output>> output = Output::open(flags.output);
  if (!output.ok()) return report(context.console, output.status(), Phase::kRequest);
  opened.output = std::move(output).value();
  EngineOptions options = flags.engine;
  options.task = flags.request.task;
  Result<std::unique_ptr<Engine>> engine = load_engine(std::move(options), context.console);
  if (!engine.ok()) return report(context.console, engine.status(), Phase::kLoad);
  opened.engine = std::move(engine).value();
  exit_between_lines(context, *opened.output);
  Status status = run_stream(opened, flags, make_sink, context.console);
  if (status.ok()) status = opened.output->finish();
  context.signals.on_signal(nullptr);
  return report(context.console, status, Phase::kRequest);
}

int compute_lines(Context& context, const ComputeFlags& flags, AppendAnswer append) {
  return compute(context, flags, [append](Output& output, const ModelInfo&) {
    return Result<std::unique_ptr<Sink>>(make_line_sink(output, append));
  });
}

}  // namespace wde::cli
