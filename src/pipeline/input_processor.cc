#include "pipeline/input_processor.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/status.h"

namespace wde::pipeline {
namespace {

Status goes_with(std::string_view field, std::string_view tasks) {
  return invalid_argument_error("\"{}\" goes with {} only", field, tasks);
}

}  // namespace

Result<int> AdapterPolicy::find(const std::string& name) const {
  if (name.empty()) return -1;
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<int>(found - names.begin());
  return invalid_argument_error("unknown adapter \"{}\"; this model has: {}", name,
                                names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

InputProcessor::InputProcessor(OutputPolicy output, PromptPolicy prompts, AdapterPolicy adapters,
                               OverLong over_long)
    : output_(std::move(output)),
      prompts_(std::move(prompts)),
      adapters_(std::move(adapters)),
      over_long_(over_long) {}

int InputProcessor::adapter(const Request& request) const {
  return request.adapter ? adapters_.find(*request.adapter).value() : adapters_.fallback;
}

Status InputProcessor::check_task(Task task) const {
  if (std::find(output_.tasks.begin(), output_.tasks.end(), task) != output_.tasks.end()) return {};
  std::vector<std::string_view> served;
  for (const Task known : output_.tasks) served.push_back(task_name(known));
  return unsupported_error("this model does not serve the task \"{}\"; it serves: {}",
                           task_name(task), fmt::join(served, ", "));
}

Status InputProcessor::check_prompt(const Request& request) const {
  if (!request.prompt_name) return {};
  if (std::holds_alternative<std::vector<int32_t>>(request.input)) {
    return invalid_argument_error("\"prompt_name\" goes with texts, not with token ids");
  }
  if (prompts_.prompts.contains(*request.prompt_name)) return {};
  std::vector<std::string_view> known;
  for (const auto& [name, text] : prompts_.prompts) known.push_back(name);
  return invalid_argument_error("unknown prompt name \"{}\"; this model has: {}",
                                *request.prompt_name,
                                known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
}

Status InputProcessor::check_dimensions(const Request& request) const {
  if (!request.dimensions) return {};
  if (request.task != Task::kEmbed) return goes_with("dimensions", "\"embed\"");
  if (*request.dimensions >= 1 && *request.dimensions <= output_.embedding_size) return {};
  return invalid_argument_error("\"dimensions\" must be between 1 and {}, not {}",
                                output_.embedding_size, *request.dimensions);
}

Status InputProcessor::check_over_long(const Request& request) const {
  const bool averages = request.over_long.value_or(over_long_) == OverLong::kAverage;
  if (!averages || request.task == Task::kEmbed) return {};
  return invalid_argument_error(
      "over-long texts are averaged for \"embed\" only; for \"{}\" they are truncated or refused",
      task_name(request.task));
}

Status InputProcessor::check(const Request& request) const {
  WDE_RETURN_IF_ERROR(check_task(request.task));
  if (const auto* ids = std::get_if<std::vector<int32_t>>(&request.input);
      ids != nullptr && ids->empty()) {
    return empty_input_error("the list of token ids is empty");
  }
  if (request.task == Task::kRerank && !std::holds_alternative<TextPair>(request.input)) {
    return invalid_argument_error("the task \"rerank\" takes a pair: a query and a text");
  }
  if (request.task == Task::kClassifyTokens &&
      !std::holds_alternative<std::string>(request.input)) {
    return invalid_argument_error("the task \"classify-tokens\" takes one text");
  }
  if (request.adapter) WDE_RETURN_IF_ERROR(adapters_.find(*request.adapter).status());
  WDE_RETURN_IF_ERROR(check_dimensions(request));
  WDE_RETURN_IF_ERROR(check_over_long(request));
  if (request.raw_scores && request.task != Task::kRerank && request.task != Task::kClassify) {
    return goes_with("raw_scores", "\"rerank\" and \"classify\"");
  }
  if (request.aggregation && request.task != Task::kClassifyTokens) {
    return goes_with("aggregation", "\"classify-tokens\"");
  }
  if (request.aggregation && !output_.joins_tokens) {
    return invalid_argument_error(
        "\"aggregation\": this model scores whole steps and joins no tokens");
  }
  return check_prompt(request);
}

schema::OutputSpec InputProcessor::output_spec(const Request& request) const {
  return {.normalize = request.normalize.value_or(output_.normalize),
          .dimensions = request.dimensions.value_or(output_.embedding_size),
          .raw_scores = request.raw_scores,
          .aggregation = request.aggregation.value_or(Aggregation::kSimple)};
}

}  // namespace wde::pipeline
