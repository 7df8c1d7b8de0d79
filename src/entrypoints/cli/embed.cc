// wde embed: a vector for each line.
#include <CLI/App.hpp>
#include <memory>

#include "entrypoints/cli/command.h"
#include "entrypoints/cli/compute.h"
#include "entrypoints/cli/flag_values.h"
#include "entrypoints/cli/options.h"
#include "entrypoints/cli/sinks.h"

namespace wde::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  echo "a text" | wde embed -m sentence-transformers/all-MiniLM-L6-v2
  wde embed -m MODEL corpus.txt --format npy -o corpus.npy
  wde embed -m MODEL corpus.jsonl --jsonl --dimensions 128 --output-dtype ubinary
int8 and uint8 take their ranges from all the embeddings, so nothing is written before the last line.)";

struct EmbedFlags : ComputeFlags {
  EmbedFormat format;
};

std::optional<Format> parse_format(const std::string& name) {
  if (name == "json") return Format::kJson;
  if (name == "npy") return Format::kNpy;
  if (name == "f32") return Format::kF32;
  return std::nullopt;
}

Status check_dimensions(std::optional<int> dimensions, const ModelInfo& info) {
  if (!dimensions || (*dimensions >= 1 && *dimensions <= info.embedding_size)) return {};
  return invalid_argument_error("--dimensions {}: the model's vectors have 1 to {}", *dimensions,
                                info.embedding_size);
}

int run_embed(Context& context, const EmbedFlags& flags) {
  if (Status format = check_embed_format(flags.format); !format.ok()) {
    return report(context.console, format, entrypoints::Phase::kRequest);
  }
  const auto make_sink = [&flags](Output& output,
                                  const ModelInfo& info) -> Result<std::unique_ptr<Sink>> {
    WDE_RETURN_IF_ERROR(check_dimensions(flags.request.dimensions, info));
    return make_embed_sink(output, flags.format,
                           flags.request.dimensions.value_or(info.embedding_size));
  };
  return compute(context, flags, make_sink);
}

}  // namespace

Run define_embed(CLI::App& app) {
  auto flags = std::make_shared<EmbedFlags>();
  flags->request.task = Task::kEmbed;
  app.footer(kExamples);
  add_input_flags(app, flags->input);
  add_output_flag(app, flags->output);
  add_parsed(app, "--format", flags->format.format, parse_format, "{json,npy,f32}",
             "JSON lines (default), a NumPy array, or raw little-endian floats");
  add_parsed(app, "--output-dtype", flags->format.dtype, parse_output_dtype,
             "{float,int8,uint8,binary,ubinary}", "numbers of the vectors; default float");
  app.add_option("--dimensions", flags->request.dimensions,
                 "keep the first N components (Matryoshka), then renormalize where the model does")
      ->type_name("N");
  add_engine_flags(app, flags->engine);
  return [flags](Context& context) { return run_embed(context, *flags); };
}

}  // namespace wde::cli
